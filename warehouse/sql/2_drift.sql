-- What changed. Every transition of an alert is a row; the view alerts_now has the present state.

CREATE TABLE IF NOT EXISTS $database.blocks
(
    block_id String
        COMMENT 'names the block',
    model LowCardinality(String)
        COMMENT 'the model of its events',
    reference_version LowCardinality(String)
        COMMENT 'the reference whose edges its histograms are on; empty while there was none',
    source_partition Int32
        COMMENT 'the partition of predictions that they came from',
    first_offset UInt64
        COMMENT 'the offset of the first of their messages',
    last_offset UInt64
        COMMENT 'the offset of the last',
    time_min DateTime64(3, 'UTC')
        COMMENT 'the earliest time of an event: the producer''s, UTC',
    time_max DateTime64(3, 'UTC')
        COMMENT 'the latest time of an event: the producer''s, UTC',
    events UInt64
        COMMENT 'how many events',
    decisions Map(LowCardinality(String), UInt64)
        COMMENT 'accept, review and escalate to how many',
    signal_means Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'numeric signal (confidence, feature.NAME) to its mean, in the feature''s unit; a signal that is not here gives NULL',
    signal_missing Map(LowCardinality(String), Nullable(UInt64))
        COMMENT 'signal (prediction and text features too) to how many events lack it; a signal that is not here gives NULL',
    numeric_json String
        COMMENT 'numeric signals whole: count, missing, mean, m2, minimum, maximum, histogram' CODEC(ZSTD),
    categorical_json String
        COMMENT 'prediction and text features: counts by category' CODEC(ZSTD),
    sample_json String
        COMMENT 'a few of the events, chosen by a hash of their ids' CODEC(ZSTD),
    features_unwatched UInt64
        COMMENT 'features that are not watched, or only by their mean',
    unwatched Array(String)
        COMMENT 'the first of them by name',
    $identity
)
ENGINE = MergeTree ORDER BY (model, time_min, block_id)
SETTINGS $deduplication
COMMENT 'One row for each block: statistics of up to some hundred consecutive events of one model on one partition.';

CREATE TABLE IF NOT EXISTS $database.alerts
(
    alert_id String
        COMMENT 'names the alert; the same in all its rows',
    model LowCardinality(String)
        COMMENT 'the model whose stream changed',
    signal LowCardinality(String)
        COMMENT 'what changed: confidence, prediction, feature.NAME, or error (the error rate)',
    detector LowCardinality(String)
        COMMENT 'the detector that found the change',
    severity LowCardinality(String)
        COMMENT 'info, warning or critical; the worst so far',
    state LowCardinality(String)
        COMMENT 'firing, acknowledged or resolved',
    revision UInt64
        COMMENT 'counts the transitions of the alert from 0',
    fired_at DateTime64(3, 'UTC')
        COMMENT 'when it fired in the stream, by the producer''s times; for the signal error the time of a correction, which is the clock''s. Compare raised_at and told_at instead',
    fired_at_event UInt64
        COMMENT 'how many events of the model had been seen when it fired',
    changed_at DateTime64(3, 'UTC')
        COMMENT 'the clock''s time if a person made the change, else the stream''s time. Compare told_at instead; alerts_now leaves it out',
    changed_by String
        COMMENT 'who made the change; watchloop where the program did',
    reference_version LowCardinality(String)
        COMMENT 'the reference that it was compared with; empty for the error rate',
    evidence Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'the numbers behind it by name: means in the feature''s unit, shift_sd in standard deviations of the reference, psi, shares; a name that is not here gives NULL',
    report_id String
        COMMENT 'the Evidently report, in reports; empty while there is none',
    report_problem String
        COMMENT 'why there is no report; empty if there is one or will be one',
    task_id String
        COMMENT 'the task that asks people about it',
    note String
        COMMENT 'notes of people and of the program',
    judged_until Nullable(DateTime64(3, 'UTC'))
        COMMENT 'how far the signal had been judged, on the clock of fired_at; NULL where that is unknown',
    raised_at Nullable(DateTime64(3, 'UTC'))
        COMMENT 'when it began to fire: the clock, UTC; NULL if that is unknown',
    told_at Nullable(DateTime64(3, 'UTC'))
        COMMENT 'when this transition was published: the clock, UTC; NULL if that is unknown',
    answer LowCardinality(String)
        COMMENT 'the answer that settled its task: confirmed, expected change, false alarm or cannot tell; empty before',
    $identity
)
ENGINE = MergeTree ORDER BY (model, fired_at, alert_id, revision)
SETTINGS $deduplication
COMMENT 'One row for each transition of an alert; the highest revision is its present state (view alerts_now), alert_history has one row for each alert.';

CREATE TABLE IF NOT EXISTS $database.reference_windows
(
    model LowCardinality(String)
        COMMENT 'the model',
    version String
        COMMENT 'names the reference within the model',
    created_at DateTime64(3, 'UTC')
        COMMENT 'the clock''s time if a person adopted it, the stream''s time for a model''s first reference. Compare told_at instead',
    reason String
        COMMENT 'the first events, or the alert whose answer made it',
    time_min DateTime64(3, 'UTC')
        COMMENT 'the earliest time of an event in it: the producer''s, UTC',
    time_max DateTime64(3, 'UTC')
        COMMENT 'the latest time of an event in it: the producer''s, UTC',
    events UInt64
        COMMENT 'how many events it was made of',
    signal_means Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'numeric signal (confidence, feature.NAME) to its mean, in the feature''s unit; a signal that is not here gives NULL',
    signal_sds Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'numeric signal to its standard deviation, in the feature''s unit; a signal that is not here gives NULL',
    psi_normal Map(LowCardinality(String), Nullable(Float64))
        COMMENT 'signal to the largest population stability index within it: what ordinary ups and downs look like; presence.SIGNAL to that of having a number, a text or nothing, where it is above 0',
    numeric_json String
        COMMENT 'numeric signals whole: quantiles, edges, histogram' CODEC(ZSTD),
    categorical_json String
        COMMENT 'prediction and text features: counts by category' CODEC(ZSTD),
    sample_json String
        COMMENT 'rows of it, for reports' CODEC(ZSTD),
    told_at Nullable(DateTime64(3, 'UTC'))
        COMMENT 'when it began to count: the clock, UTC; NULL if that is unknown',
    $identity
)
ENGINE = MergeTree ORDER BY (model, created_at, version)
SETTINGS $deduplication
COMMENT 'One row for each reference: what counts as normal for a model from then on. The newest by told_at holds.';

-- DRIFT's own figures of each model; the newest row counts. They begin anew when a worker reads the blocks again.
CREATE TABLE IF NOT EXISTS $database.drift_states
(
    model LowCardinality(String)
        COMMENT 'the model',
    told_at DateTime64(3, 'UTC')
        COMMENT 'when this state was published: the clock, UTC',
    events_seen UInt64
        COMMENT 'events in the windows judged so far; begins anew when a worker reads the blocks again',
    windows_seen UInt64
        COMMENT 'windows judged so far; begins anew likewise, as do the counts below',
    late_blocks UInt64
        COMMENT 'blocks that came after their window had been judged',
    late_events UInt64
        COMMENT 'the events of these blocks, which are left out of drift detection',
    forced_blocks UInt64
        COMMENT 'blocks judged before all partitions had come that far',
    time_resets UInt64
        COMMENT 'how often the model''s time jumped back',
    features_unwatched UInt64
        COMMENT 'features that are not watched, or only by their mean',
    unwatched Array(String)
        COMMENT 'the first of them by name',
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
        COMMENT 'when the row was stored: the clock, UTC'
)
ENGINE = MergeTree ORDER BY (model, told_at)
TTL toDateTime(told_at) + INTERVAL 30 DAY
SETTINGS $deduplication
COMMENT 'One row for each change of DRIFT''s own figures of a model, at least five seconds apart, or a minute if only events were counted; the newest holds. Kept for 30 days.';

CREATE TABLE IF NOT EXISTS $database.reports
(
    report_id String
        COMMENT 'names the report; alerts have it',
    alert_id String
        COMMENT 'the alert that it was made for first; alerts that fire together share one',
    model LowCardinality(String)
        COMMENT 'the model',
    created_at DateTime64(3, 'UTC')
        COMMENT 'when it was asked for: the clock, UTC',
    json String
        COMMENT 'the report as data' CODEC(ZSTD),
    html String
        COMMENT 'the report as a page' CODEC(ZSTD),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
        COMMENT 'when the row was stored: the clock, UTC'
)
ENGINE = MergeTree ORDER BY report_id
SETTINGS $deduplication
COMMENT 'One row for each Evidently report of an alert.';
