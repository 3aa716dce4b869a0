"""`cnn-sweeps what-if HASH KEY=VALUE`: a run as it would be under another rule."""

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments, take_storage
from cnn_sweeps.runs.epochs.outcomes import WhatIf
from cnn_sweeps.text.format import pluralize


def main(typed: list[str]) -> int:
    """Print what a run, or the trials of a study, would have been; 0 when it is done.

    Raises:
        ConfigError: a key that changes what is trained, or a value that cannot be.
        UnknownHashError: no run, or more than one experiment, has that hash.
        UnknownStudyError: no study, or several, have that name.
        RecordError: the run did not finish, or what is stored of it was changed.
        DataError: a metric has to be computed, and the images are missing.
        StoreError: the store cannot be read.
    """
    parser = Arguments(
        "what-if",
        "HASH|STUDY KEY=VALUE[,VALUE...] [hydra.sweeper.storage=URL]",
        "Say when a finished run would have stopped under another rule (trainer.epochs, "
        "trainer.early_stopping.patience, .monitor, .min_delta, trainer.stop_at...), or what the "
        "average of its last epochs is worth (trainer.weight_averaging); what it would have come "
        "to and saved; of a study, whether another trial would win. Computed from stored epochs, "
        "nothing is trained.",
        names=(1, 1),
        hint="cnn-sweeps what-if HASH trainer.early_stopping.patience=1,3,5",
    )
    parser.add_forms("it")
    parser.add_trust()
    asked = parser.read(typed)
    storage, changes = take_storage(asked.overrides)
    found = api.what_if(asked.names[0], *changes, storage=storage, trust=asked.trust)
    if isinstance(found, WhatIf):
        known = f"  ({pluralize(found.known, 'epoch')} known)"
        output.print_results(found, asked, found.name, known)
    else:
        output.print_results(found, asked, found.study)
    return 0
