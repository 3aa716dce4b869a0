"""The hosts that the seconds of trials were measured on: they differ in speed."""

from cnn_sweeps.sweeps.study.attributes import REUSED_FROM
from cnn_sweeps.sweeps.study.retry import hosts_of
from cnn_sweeps.sweeps.study.study import SweepStudy


def measured_on(study: SweepStudy) -> dict[int, frozenset[str]]:
    """Names of hosts by number of trial; several where one went on with what another began."""
    known = {trial.number: trial.user_attrs for trial in study.trials()}
    return {
        number: hosts_of(known.get(attributes.get(REUSED_FROM, number), attributes))
        for number, attributes in known.items()
    }
