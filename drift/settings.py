"""Settings of drift detection."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.setting_checks import require_order

__all__ = ["CategoricalTest", "DriftSettings", "NumericTest"]

NumericTest = Literal[
    "wasserstein",
    "jensenshannon",
    "kl_div",
    "psi",
    "hellinger",
    "ks",
    "anderson",
    "cramer_von_mises",
    "ed",
    "es",
    "mannw",
    "t_test",
    "empirical_mmd",
]
CategoricalTest = Literal["jensenshannon", "kl_div", "psi", "hellinger", "chisquare", "g_test", "TVD"]
"""Evidently's tests for columns of any number of categories."""


class DriftSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one model's stream is measured, compared with its reference and watched."""

    block_events_max: Annotated[int, Meta(ge=1, le=100)] = 100
    """Events one block summarises at most."""
    sample_rows_per_block: Annotated[int, Meta(ge=0, le=100)] = 10
    """Rows of a block's bottom-k sample once a reference exists; until then a block keeps all its rows."""
    sample_bytes_max: Annotated[int, Meta(ge=1_000, le=900_000)] = 300_000
    """Size of one block's sample as JSON; rows beyond it are left out, largest hash first."""
    text_chars_max: Annotated[int, Meta(ge=1, le=200)] = 100
    """A text value longer than this is cut before it is counted or sampled."""
    categories_max: Annotated[int, Meta(ge=1, le=1_000)] = 50
    """Categories of one signal that are counted by name; the rarer ones go into ``other``."""
    categories_bytes_max: Annotated[int, Meta(ge=1_000, le=900_000)] = 200_000
    """Size of all category names of one block or reference as JSON; signals beyond it are counted in ``other`` only."""
    histogram_bins: Annotated[int, Meta(ge=2, le=100)] = 10
    """Bins of equal frequency that the reference cuts a numeric signal into."""
    features_watched_max: Annotated[int, Meta(ge=0, le=1_000)] = 100
    """Features that are measured: those of the reference, then those that most events have, of equally frequent ones
    the first by name. The others are named on the Loop page and counted in ``watchloop_features_unwatched``. Features
    of the reference stay until the next reference; others give way to more frequent ones. Features whose numbers are
    different but equal as doubles are named and counted as well: only their mean is watched."""

    step_events: Annotated[int, Meta(ge=1, le=100_000)] = 100
    """Events whose mean is one value for the change detectors."""
    window_steps: Annotated[int, Meta(ge=1, le=1_000)] = 5
    """Steps in one window, the unit of distribution comparison, of reports and of going quiet."""
    windows_kept_max: Annotated[int, Meta(ge=1, le=1_000)] = 4
    """Newest windows kept for reports and for adopting a new reference."""
    lateness_seconds: Annotated[float, Meta(ge=0.0, le=604_800.0)] = 0.0
    """How far, in event time, a partition may run out of order within itself."""
    lateness_events: Annotated[int, Meta(ge=0, le=1_000_000)] = 5_000
    """Events of other partitions to wait for a partition that is silent, before it no longer holds up the rest."""
    open_blocks_max: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    """Blocks waiting for their turn; beyond it the oldest are taken whatever the watermark."""

    reference_events: Annotated[int, Meta(ge=10, le=1_000_000)] = 2_000
    """Events that make the first reference."""
    reference_sample_rows_max: Annotated[int, Meta(ge=0, le=10_000)] = 1_000
    """Rows of the sample that a reference carries for reports."""
    reference_bytes_max: Annotated[int, Meta(ge=1_000, le=900_000)] = 500_000
    """Size of a reference as JSON; sample rows beyond it are left out, largest hash first."""

    adwin_delta: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.002
    """ADWIN's confidence: smaller means fewer and later detections."""
    adwin_steps_min: Annotated[int, Meta(ge=1, le=1_000)] = 3
    """Steps on the shorter side of a cut, at least: one odd step is no change."""
    shift_sd_warning: Annotated[float, Meta(ge=0.0)] = 0.3
    """Distance of the new level from the reference mean, in standard deviations of one event, worth an alert."""
    shift_sd_critical: Annotated[float, Meta(ge=0.0)] = 1.5
    """The same distance from which the alert is critical."""
    shift_block_sd_min: Annotated[float, Meta(ge=0.0)] = 2.0
    """The same distance in standard deviations of the reference's own step means, needed as well."""
    departure_share_warning: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.05
    """Share of other values, in each of ``adwin_steps_min`` steps, that is worth an alert where a signal had a single
    value, or none, in all of the reference. With few values it takes more steps, until
    chance is ruled out but for one in a million."""
    departure_share_critical: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.5
    """The same share from which the alert is critical."""
    psi_warning: Annotated[float, Meta(ge=0.0)] = 0.25
    """Population stability index of a window, beyond sampling noise, that is worth an alert."""
    psi_critical: Annotated[float, Meta(ge=0.0)] = 1.0
    """The same index from which the alert is critical."""
    psi_normal_factor: Annotated[float, Meta(ge=1.0)] = 3.0
    """A window must also exceed the reference's own largest window-to-whole index this many times. Numbers that depend
    strongly on those before them wander further than the reference shows: of 68 such signals of 20,000 events, with an
    autocorrelation of .95, 18 raised an alert though nothing changed; with one of .9 none did."""
    psi_windows: Annotated[int, Meta(ge=1, le=100)] = 2
    """Windows in a row above the threshold before the distribution detector fires."""

    quiet_windows_to_resolve: Annotated[int, Meta(ge=1, le=10_000)] = 10
    """Windows in a row back within the reference after which an alert resolves by itself."""
    evidence_windows_min: Annotated[int, Meta(ge=1, le=10_000)] = 10
    """Windows between two revisions of an open alert that only add evidence."""
    alerts_open_max: Annotated[int, Meta(ge=1, le=1_000)] = 20
    """Alerts of one model open at the same time; further signals are named in the note of the worst."""
    error_level_rise_min: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.05
    """Rise of the error rate, as a share, that is worth an alert."""
    error_audit_floor: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.02
    """Rate to which reviewed corrections are thinned; the roles put the model's audit rate here."""
    error_window_corrections: Annotated[int, Meta(ge=1, le=100_000)] = 50
    """Corrections in one window of the error signal."""
    error_events_remembered_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Newest event ids remembered, so that a review and a late label of one event count once."""

    report_rows_max: Annotated[int, Meta(ge=10, le=100_000)] = 1_000
    """Rows on each side of a report."""
    report_columns_max: Annotated[int, Meta(ge=1, le=200)] = 30
    """Columns of one report: prediction, confidence, the features that fired, then the others by name."""
    report_numeric_test: NumericTest = "wasserstein"
    """Evidently's name of the test for numeric columns; always given, because its default depends on the row count."""
    report_categorical_test: CategoricalTest = "jensenshannon"
    """Evidently's name of the test for categorical columns."""
    report_seconds_max: Annotated[float, Meta(ge=1.0, le=3_600.0)] = 60.0
    """Time for one report before its process is ended and started anew."""
    report_warmup_seconds_max: Annotated[float, Meta(ge=1.0, le=3_600.0)] = 180.0
    """Time for the report process to become ready."""
    report_bytes_max: Annotated[int, Meta(ge=10_000, le=100_000_000)] = 16_000_000
    """Size of one message to or from the report process."""
    reports_queued_max: Annotated[int, Meta(ge=1, le=1_000)] = 10
    """Reports waiting, one for all alerts of a moment; beyond it the oldest is made together with its model's next."""
    report_restarts_max: Annotated[int, Meta(ge=1, le=100)] = 3
    """Failures of the report process in a row after which reports are answered with the reason at once, until
    ``report_retry_seconds`` later it is started again."""
    report_tries_max: Annotated[int, Meta(ge=1, le=10)] = 3
    """How often a report is tried that took too long, whose process died, or that could not be stored; after the last
    try its alerts say why there is none."""
    report_retry_seconds: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 120.0
    """Wait before a report is tried again."""

    def __post_init__(self) -> None:
        require_order(
            self,
            ("shift_sd_warning", "shift_sd_critical"),
            ("departure_share_warning", "departure_share_critical"),
            ("psi_warning", "psi_critical"),
        )
