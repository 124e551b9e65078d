-- What analysts ask first.

CREATE OR REPLACE VIEW $database.tasks_now AS
SELECT * FROM $database.tasks
ORDER BY task_id, revision DESC, changed_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY task_id;

-- Without changed_at, which is the clock's if a person made the change and the stream's otherwise: use told_at.
-- The error rate has no times in the stream: in alerts it has those of corrections, which are the clock's.
CREATE OR REPLACE VIEW $database.alerts_now AS
SELECT * EXCEPT (changed_at, fired_at, judged_until),
    if(signal = 'error', NULL, fired_at) AS fired_at,
    if(signal = 'error', NULL, judged_until) AS judged_until
FROM
(
    SELECT * FROM $database.alerts
    ORDER BY alert_id, revision DESC, _stored_at DESC, _offset DESC
    LIMIT 1 BY alert_id
);

CREATE OR REPLACE VIEW $database.people_now AS
SELECT * FROM $database.people
ORDER BY person_id, version DESC, changed_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY person_id;

CREATE OR REPLACE VIEW $database.models_now AS
SELECT * FROM $database.models
WHERE recipe != 'candidate'
ORDER BY model, created_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY model;

-- The newest label of each event, without labels that were rejected because the model spells them otherwise (true, not
-- True): compared with its predictions, each of them would count as an error. Labels that were rejected because their
-- prediction was unknown stay: the prediction may have come later.
CREATE OR REPLACE VIEW $database.labels_now AS
SELECT * FROM $database.labels
WHERE (_partition, _offset, event_id) NOT IN
(
    SELECT source_partition, source_offset, JSONExtractString(original, 'event_id') FROM $database.rejects
    WHERE source_topic = 'labels' AND role = 'labels' AND field = '$$.label'
)
ORDER BY model, event_id, time DESC, _offset DESC, _index DESC
LIMIT 1 BY model, event_id;

-- The newest answer that people gave to an event, if any.
CREATE OR REPLACE VIEW $database.answers AS
SELECT * FROM $database.corrections
WHERE source IN ('review', 'adjudication')
ORDER BY model, event_id, created_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY model, event_id;

-- A prediction, its verdict and what people answered; was_right is NULL while nobody has. An event has one row, with its
-- first verdict: if it came again after INTAKE had forgotten it, neither its second verdict nor an answer to the task of
-- that verdict shows.
CREATE OR REPLACE VIEW $database.review_outcomes AS
SELECT
    v.model AS model,
    v.event_id AS event_id,
    v.time AS time,
    p.model_version AS model_version,
    p.prediction AS prediction,
    p.confidence AS confidence,
    p.slices AS slices,
    v.decision AS decision,
    v.reasons AS reasons,
    v.uncertainty AS uncertainty,
    v.error_probability AS error_probability,
    v.inclusion_probability AS inclusion_probability,
    v.audit AS audit,
    v.task_id AS task_id,
    nullIf(v.learned_prediction, '') AS learned_prediction,
    nullIf(v.learned_version, '') AS learned_version,
    if(a.correction_id = '', NULL, a.label) AS label,
    if(a.correction_id = '', NULL, a.source) AS source,
    if(a.correction_id = '', NULL, a.reliability) AS reliability,
    if(a.correction_id = '', NULL, a.label = p.prediction) AS was_right
FROM
(
    SELECT
        model, event_id, time, decision, reasons, uncertainty, error_probability, inclusion_probability, audit, task_id,
        learned_prediction, learned_version
    FROM $database.verdicts
    ORDER BY model, event_id, decided_at, _stored_at, _offset, _index
    LIMIT 1 BY model, event_id
) AS v
-- Of predictions with the same id and time, the verdict is about the first.
INNER JOIN
(
    SELECT model, event_id, time, model_version, prediction, confidence, slices
    FROM $database.predictions
    ORDER BY model, time, event_id, _stored_at, _offset, _index
    LIMIT 1 BY model, time, event_id
) AS p ON p.model = v.model AND p.event_id = v.event_id AND p.time = v.time
LEFT JOIN $database.answers AS a ON a.model = v.model AND a.event_id = v.event_id AND a.task_id = v.task_id;

-- What each judged event adds to an estimate of the production model's accuracy, from the guess made before anyone
-- looked, whether the model was right, and the inclusion probability pi.
CREATE OR REPLACE VIEW $database.accuracy_terms AS
SELECT
    model,
    event_id,
    time,
    slices,
    inclusion_probability AS pi,
    ifNull(1 - error_probability, confidence) AS guess,
    was_right,
    pi > 0 AND was_right IS NOT NULL AS is_answered,
    pi > 0 AND was_right IS NULL AND task_id != '' AS is_unanswered,
    if(pi > 0, guess + if(is_answered, (ifNull(was_right, 0) - guess) / pi, 0), 0) AS right_term,
    if(is_unanswered, guess / pi, 0) AS lost,
    if(is_unanswered, (1 - guess) / pi, 0) AS gained,
    if(is_answered, (1 - pi) * pow((ifNull(was_right, 0) - guess) / pi, 2), 0) AS variance_term,
    if(is_unanswered, (1 - pi) * pow(greatest(guess, 1 - guess) / pi, 2), 0) AS open_variance_term,
    if(pi > 0, (1 - pi) / pow(pi, 2), 0) AS weight
FROM $database.review_outcomes;

-- Accuracy of the production model on all events of a day that may be reviewed, estimated from those that were. Each event
-- adds g + q (O - g) / pi to right_sum and q (1 - pi) (O - g)^2 / pi^2 to variance_sum: g is the guess made before anyone
-- looked, O whether the model was right, q whether the event was answered, pi its inclusion probability (the difference
-- estimator, Saerndal, Swensson & Wretman 1992, chapter 6). Sums of days add up to those of longer spans; accuracy is
-- right_sum / events.
-- With fewer than 50 answered draws (answered events with pi below 1) accuracy, standard_error, low and high are NULL.
-- Draws that are not answered (open, expired, "cannot tell") count in accuracy as guessed, in low as all wrong
-- (right_sum_low) and in high as all right, and add the most they can to the error (variance_sum_high).
-- low and high lie 1.96 standard errors beyond, for one look at a span chosen beforehand. The error includes 1.96^2
-- imaginary draws that went as badly as can be (weight_max each), as a score interval does (Wilson, 1927): few errors among
-- the draws, or none, do not prove that there are none. These draws are of the least likely event, whether any like it was
-- drawn or not, because draws of likely events say nothing about unlikely ones. Events with pi = 0 are left out.
CREATE OR REPLACE VIEW $database.accuracy_daily AS
SELECT
    model,
    toDate(time) AS day,
    countIf(pi > 0) AS events,
    countIf(pi = 0) AS not_reviewable,
    countIf(is_answered) AS answered,
    countIf(is_unanswered) AS unanswered,
    countIf(is_answered AND pi < 1) AS audit_answered,
    countIf(is_unanswered AND pi < 1) AS audit_unanswered,
    sum(t.right_term) AS right_sum,
    right_sum - sum(t.lost) AS right_sum_low,
    right_sum + sum(t.gained) AS right_sum_high,
    sum(t.variance_term) AS variance_sum,
    variance_sum + sum(t.open_variance_term) AS variance_sum_high,
    max(t.weight) AS weight_max,
    if(audit_answered >= $audit_answered_min, least(1, greatest(0, right_sum / events)), NULL) AS accuracy,
    if(accuracy IS NULL, NULL, sqrt(variance_sum_high + 3.84 * weight_max) / events) AS standard_error,
    if(accuracy IS NULL, NULL, greatest(0, right_sum_low / events - 1.96 * standard_error)) AS low,
    if(accuracy IS NULL, NULL, least(1, right_sum_high / events + 1.96 * standard_error)) AS high,
    if(events = 0, NULL, sumIf(guess, pi > 0) / events) AS mean_guess
FROM $database.accuracy_terms AS t
GROUP BY model, day
ORDER BY model, day;

-- Accuracy of the production model on all events so far: what the Loop page shows, with the same interval. It is the
-- asymptotic confidence sequence of Waudby-Smith et al. (2024), which holds at every look, however often one looks; so it is
-- wider than the interval of one look at a span chosen beforehand, which accuracy_daily has.
CREATE OR REPLACE VIEW $database.accuracy_so_far AS
WITH
    -- the interval is narrowest at this number of answered draws, with a usual residual variance
    (-2 * log($accuracy_alpha) + log(1 - 2 * log($accuracy_alpha)))
        / ($accuracy_tuned_hits * $accuracy_residual_variance / pow(pi_min, 2)) AS rho_squared,
    (variance_sum + open_variance_sum) * rho_squared + 1 AS spread,
    sqrt(spread / rho_squared * log(spread / pow($accuracy_alpha, 2))) / events AS radius,
    audit_answered >= $audit_answered_min AS has_draws,
    -- if nearly all events were answered, little is left to chance
    events > 0 AND answered >= $accuracy_known_share * events AS is_known,
    countIf(t.is_answered AND t.was_right) AS right_answered,
    if(is_known, right_answered / events, 0) AS least_possible,
    if(is_known, (right_answered + events - answered) / events, 1) AS most_possible,
    if(has_draws, right_sum_low / events - radius, least_possible) AS reached_low,
    if(has_draws, right_sum_high / events + radius, most_possible) AS reached_high,
    has_draws OR is_known AS is_said
SELECT
    model,
    countIf(pi > 0) AS events,
    countIf(pi = 0) AS not_reviewable,
    countIf(t.is_answered) AS answered,
    countIf(t.is_unanswered) AS unanswered,
    countIf(t.is_answered AND pi < 1) AS audit_answered,
    countIf(t.is_unanswered AND pi < 1) AS audit_unanswered,
    sum(t.right_term) AS right_sum,
    right_sum - sum(t.lost) AS right_sum_low,
    right_sum + sum(t.gained) AS right_sum_high,
    sum(t.variance_term) AS variance_sum,
    sum(t.open_variance_term) AS open_variance_sum,
    minIf(pi, pi > 0) AS pi_min,
    if(is_said, least(most_possible, greatest(least_possible, right_sum / events)), NULL) AS accuracy,
    if(is_said, least(most_possible, greatest(least_possible, reached_low)), NULL) AS low,
    if(is_said, least(most_possible, greatest(least_possible, reached_high)), NULL) AS high
FROM $database.accuracy_terms AS t
GROUP BY model
ORDER BY model;

-- One row for each alert: when it fired, was acknowledged and resolved (NULL until then), and by whom. fired_at is a time
-- of the stream; the other times, and the seconds, are the clock's. In a replay the two are years apart.
CREATE OR REPLACE VIEW $database.alert_history AS
SELECT
    a.alert_id AS alert_id,
    any(a.model) AS model,
    any(a.signal) AS signal,
    any(a.detector) AS detector,
    argMax(a.severity, a.revision) AS severity,
    argMax(a.state, a.revision) AS state,
    minOrNullIf(a.fired_at, a.signal != 'error') AS fired_at,
    min(a.fired_at_event) AS fired_at_event,
    min(a.raised_at) AS raised_at,
    minOrNullIf(a.told_at, a.state = 'acknowledged') AS acknowledged_at,
    argMinOrNullIf(a.changed_by, a.revision, a.state = 'acknowledged') AS acknowledged_by,
    minOrNullIf(a.told_at, a.state = 'resolved') AS resolved_at,
    argMinOrNullIf(a.changed_by, a.revision, a.state = 'resolved') AS resolved_by,
    dateDiff('second', min(a.raised_at), acknowledged_at) AS seconds_to_acknowledge,
    dateDiff('second', min(a.raised_at), resolved_at) AS seconds_to_resolve,
    argMax(a.report_id, a.revision) AS report_id
FROM $database.alerts AS a
GROUP BY a.alert_id;

-- What each person did on each day. An opinion is an answer that stands; withdrawals and requests on the page of an alert
-- (acknowledge, resolve) are counted apart. An opinion is compared with the answer that settled its task if it could have
-- differed: at least two people voted, and it is not the opinion that decided between others.
CREATE OR REPLACE VIEW $database.reviewer_activity AS
SELECT
    person,
    model,
    toDate(time) AS day,
    any(simulated) AS simulated,
    countIf(stands) AS opinions,
    countIf(is_mark) AS withdrawn,
    countIf(is_act) AS alert_acts,
    countIf(stands AND answer = '__cannot_tell__') AS cannot_tell,
    countIf(stands AND is_settled) AS on_settled_tasks,
    countIf(is_compared) AS compared,
    countIf(is_compared AND answer = settled_answer) AS agreed,
    if(opinions = 0, NULL, quantileExactInclusiveIf(0.5)(seconds_spent, stands)) AS median_seconds
FROM
(
    SELECT
        *,
        countIf(votes) OVER (PARTITION BY task_id) AS voters,
        uniqExactIf(answer, votes) OVER (PARTITION BY task_id) > 1 AS is_disputed,
        maxIf((time, opinion_id), votes AND answer = settled_answer) OVER (PARTITION BY task_id) AS decided_by,
        votes AND is_settled AND settled_answer != '__cannot_tell__' AND voters > 1
            AND NOT (is_disputed AND (time, opinion_id) = decided_by) AS is_compared
    FROM
    (
        SELECT
            o.opinion_id AS opinion_id, o.person AS person, o.model AS model, o.task_id AS task_id, o.time AS time,
            o.simulated AS simulated, o.answer AS answer, o.seconds_spent AS seconds_spent,
            t.state = 'settled' AS is_settled,
            t.answer AS settled_answer,
            t.lane = 'alert' AND o.answer IN ('acknowledge', 'resolve') AS is_act,
            o.answer = '__withdrawn__' AS is_mark,
            row_number() OVER (PARTITION BY o.task_id, o.person, is_act ORDER BY o.time DESC, o.opinion_id DESC) AS age,
            age = 1 AND NOT is_act AND NOT is_mark AS stands,
            stands AND o.answer != '__cannot_tell__' AS votes
        FROM $database.opinions AS o
        LEFT JOIN $database.tasks_now AS t ON t.task_id = o.task_id
    )
)
GROUP BY person, model, day
ORDER BY day, person, model;

-- Every version of a model that was ever in charge, with the gate's decision that put it there.
CREATE OR REPLACE VIEW $database.model_history AS
SELECT
    m.model AS model,
    m.version AS version,
    m.parent AS parent,
    m.recipe AS recipe,
    m.corrections AS corrections,
    m.size_bytes AS size_bytes,
    m.created_at AS created_at,
    m.reason AS reason,
    nullIf(g.decision, '') AS gate_decision,
    if(g.decision = '', NULL, g.reason) AS gate_reason,
    if(g.decision = '', NULL, g.log_evidence) AS log_evidence,
    if(g.decision = '', NULL, g.log_threshold) AS log_threshold,
    nullIf(g.approved_by, '') AS approved_by
FROM (SELECT * FROM $database.models WHERE recipe != 'candidate') AS m
LEFT JOIN
(
    SELECT * FROM $database.gates
    WHERE decision != 'continue'
    ORDER BY model, challenger, time DESC, step DESC
    LIMIT 1 BY model, challenger
) AS g ON g.model = m.model AND g.challenger = m.version
ORDER BY model, created_at;

-- What was wrong with which field; the value that came (got 62) is left out of the reason, and shows in the example.
CREATE OR REPLACE VIEW $database.reject_reasons AS
SELECT
    r.source_topic AS source_topic,
    r.role AS role,
    r.field AS field,
    replaceRegexpOne(r.reason, '^got .*?; expected ', 'expected ') AS reason,
    sum(r.elements) AS rejects,
    min(r.time) AS first_at,
    max(r.time) AS last_at,
    substring(any(r.original), 1, 200) AS example
FROM $database.rejects AS r
GROUP BY source_topic, role, field, reason
ORDER BY rejects DESC;
