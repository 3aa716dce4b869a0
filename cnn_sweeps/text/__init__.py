"""Values as text; knows no experiment."""
