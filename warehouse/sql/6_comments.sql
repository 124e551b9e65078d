-- Comments of the views of 5_views.sql. Views that only select rows of a table take over the comments of its columns.

ALTER TABLE $database.labels_now
    MODIFY COMMENT 'One row for each event that has a label: the newest, without labels that were rejected because the model spells them otherwise. Labels that were rejected because their prediction was unknown are here, as in labels.';

ALTER TABLE $database.tasks_now
    MODIFY COMMENT 'One row for each task, in its present state: tasks with their highest revision.';

ALTER TABLE $database.alerts_now
    MODIFY COMMENT 'One row for each alert, in its present state: alerts with their highest revision, without changed_at.',
    COMMENT COLUMN fired_at 'when it fired in the stream, by the producer''s times; NULL for the error rate, which has no place in the stream',
    COMMENT COLUMN judged_until 'how far the signal had been judged in the stream; NULL for the error rate';

ALTER TABLE $database.people_now
    MODIFY COMMENT 'One row for each account, in its newest version.';

ALTER TABLE $database.models_now
    MODIFY COMMENT 'One row for each model: the manifest of the version that is in charge now.';

ALTER TABLE $database.answers
    MODIFY COMMENT 'One row for each event that people answered: its newest correction by people.';

ALTER TABLE $database.review_outcomes
    MODIFY COMMENT 'One row for each judged event: the prediction, its first verdict, and what people answered. An event that was sent again counts once.',
    COMMENT COLUMN model 'the model that was asked',
    COMMENT COLUMN event_id 'the event',
    COMMENT COLUMN time 'when the model was asked: the producer''s time, UTC',
    COMMENT COLUMN model_version 'the version of the model that the producer gives; empty if it gives none',
    COMMENT COLUMN prediction 'the label that the model answered',
    COMMENT COLUMN confidence 'the model''s own probability that it is right, from 0 to 1',
    COMMENT COLUMN slices 'subgroups by name; a name that is not here gives NULL',
    COMMENT COLUMN decision 'accept, review or escalate',
    COMMENT COLUMN reasons 'why, in words',
    COMMENT COLUMN uncertainty '1 - confidence',
    COMMENT COLUMN error_probability 'the loop''s estimate that the prediction is wrong; NULL while it has learned nothing of the model',
    COMMENT COLUMN inclusion_probability 'the chance, fixed before anyone looked, that the event reaches a person; 0 only where that is not allowed',
    COMMENT COLUMN audit 'whether it was accepted and drawn at random for review',
    COMMENT COLUMN task_id 'the task that asks people about it; empty where nobody is asked',
    COMMENT COLUMN learned_prediction 'what the learned model in charge answers; NULL while production was in charge',
    COMMENT COLUMN learned_version 'its version; NULL while production was in charge',
    COMMENT COLUMN label 'what people answered; NULL while nobody has',
    COMMENT COLUMN source 'review or adjudication; NULL while nobody has answered',
    COMMENT COLUMN reliability 'the probability that the answer is right; NULL while nobody has answered',
    COMMENT COLUMN was_right 'whether the model was right, 1 or 0; NULL while nobody has answered. Its mean is no accuracy: people see what is probably wrong';

ALTER TABLE $database.accuracy_terms
    MODIFY COMMENT 'One row for each judged event: what it adds to an estimate of the production model''s accuracy. Use it for spans and subgroups that no other view has: accuracy is sum(right_term) / countIf(pi > 0).',
    COMMENT COLUMN model 'the model that was asked',
    COMMENT COLUMN event_id 'the event',
    COMMENT COLUMN time 'when the model was asked: the producer''s time, UTC',
    COMMENT COLUMN slices 'subgroups by name; a name that is not here gives NULL',
    COMMENT COLUMN pi 'inclusion probability; events with 0 may not be reviewed and are no part of the estimate',
    COMMENT COLUMN guess 'the probability that the model is right, guessed before anyone looked',
    COMMENT COLUMN was_right 'whether the model was right, 1 or 0; NULL while nobody has answered',
    COMMENT COLUMN is_answered 'whether people answered it',
    COMMENT COLUMN is_unanswered 'whether people were asked and it is not answered: open, expired, or nobody could tell',
    COMMENT COLUMN right_term 'guess, plus (was_right - guess) / pi if it is answered',
    COMMENT COLUMN lost 'what the sum loses if the model was wrong on an event that is not answered: guess / pi',
    COMMENT COLUMN gained 'what the sum gains if the model was right on it: (1 - guess) / pi',
    COMMENT COLUMN variance_term '(1 - pi) (was_right - guess)^2 / pi^2 if it is answered',
    COMMENT COLUMN open_variance_term 'the most that its answer can add to that, if it is not answered',
    COMMENT COLUMN weight '(1 - pi) / pi^2, the variance that a draw of it adds if it goes as badly as can be; 0 if pi is 0. Take the maximum of all events, drawn or not';

ALTER TABLE $database.accuracy_daily
    MODIFY COMMENT 'One row for each model and day: accuracy of the production model on the events of that day, with the interval of ONE look at a span chosen beforehand. The interval of the Loop page is another one, over all events so far, that holds at every look: accuracy_so_far has it.',
    COMMENT COLUMN model 'the model',
    COMMENT COLUMN day 'the day on which the model was asked, by the producer''s times, UTC',
    COMMENT COLUMN events 'events that may be reviewed; the estimate is about these',
    COMMENT COLUMN not_reviewable 'events that may not be reviewed (consent); they are left out',
    COMMENT COLUMN answered 'events that people answered',
    COMMENT COLUMN unanswered 'events that people were asked about and that are not answered: open, expired, or nobody could tell',
    COMMENT COLUMN audit_answered 'answered draws: answered events with an inclusion probability below 1; accuracy and its interval are given from $audit_answered_min on',
    COMMENT COLUMN audit_unanswered 'draws that are not answered',
    COMMENT COLUMN right_sum 'the sum of right_term: accuracy is right_sum / events; sums of days add up to those of longer spans',
    COMMENT COLUMN right_sum_low 'the same if the model was wrong on everything that is not answered',
    COMMENT COLUMN right_sum_high 'the same if it was right on all of these',
    COMMENT COLUMN variance_sum 'estimated variance of right_sum; sums of days add up too',
    COMMENT COLUMN variance_sum_high 'the same with the most that missing answers can add to it',
    COMMENT COLUMN weight_max 'what one more draw adds to variance_sum if it goes as badly as can be: (1 - pi) / pi^2 of the event least likely to be drawn, drawn or not; take the maximum over days',
    COMMENT COLUMN accuracy 'estimated share of the events on which the model was right; NULL below $audit_answered_min answered draws',
    COMMENT COLUMN standard_error 'standard error of accuracy, on the safe side: sqrt(variance_sum_high + 1.96^2 weight_max) / events; NULL likewise',
    COMMENT COLUMN low 'lower end of the 95 % interval: 1.96 standard errors, with all that is not answered wrong; NULL likewise',
    COMMENT COLUMN high 'upper end of it, with all that is not answered right; NULL likewise',
    COMMENT COLUMN mean_guess 'mean of the guesses made before anyone looked; NULL without events';

ALTER TABLE $database.accuracy_so_far
    MODIFY COMMENT 'One row for each model: accuracy of the production model on all events so far, with an interval that holds at EVERY look, however often one looks. The Loop page shows the same unless settings in [accuracy] were changed. accuracy_daily has a narrower interval for a single look at a day.',
    COMMENT COLUMN model 'the model',
    COMMENT COLUMN events 'events that may be reviewed; the estimate is about these',
    COMMENT COLUMN not_reviewable 'events that may not be reviewed (consent); they are left out',
    COMMENT COLUMN answered 'events that people answered',
    COMMENT COLUMN unanswered 'events that people were asked about and that are not answered: open, expired, or nobody could tell',
    COMMENT COLUMN audit_answered 'answered draws: answered events with an inclusion probability below 1; accuracy and its interval are given from $audit_answered_min on',
    COMMENT COLUMN audit_unanswered 'draws that are not answered',
    COMMENT COLUMN right_sum 'the sum of right_term: accuracy is right_sum / events',
    COMMENT COLUMN right_sum_low 'the same if the model was wrong on everything that is not answered',
    COMMENT COLUMN right_sum_high 'the same if it was right on all of these',
    COMMENT COLUMN variance_sum 'estimated variance of right_sum',
    COMMENT COLUMN open_variance_sum 'the most that missing answers can add to it',
    COMMENT COLUMN pi_min 'the least inclusion probability of an event that may be reviewed: the interval is made narrowest for it',
    COMMENT COLUMN accuracy 'estimated share of the events on which the model was right; NULL below $audit_answered_min answered draws, unless nine tenths of the events were answered',
    COMMENT COLUMN low 'lower end of the 95 % confidence sequence, with all that is not answered wrong; NULL likewise',
    COMMENT COLUMN high 'upper end of it, with all that is not answered right; NULL likewise';

ALTER TABLE $database.alert_history
    MODIFY COMMENT 'One row for each alert: when it fired, was acknowledged and resolved, and by whom. All times but fired_at are the clock''s, and so are the seconds.',
    COMMENT COLUMN alert_id 'names the alert',
    COMMENT COLUMN model 'the model whose stream changed',
    COMMENT COLUMN signal 'what changed: confidence, prediction, feature.NAME, or error (the error rate)',
    COMMENT COLUMN detector 'the detector that found the change',
    COMMENT COLUMN severity 'info, warning or critical',
    COMMENT COLUMN state 'firing, acknowledged or resolved',
    COMMENT COLUMN fired_at 'when it fired in the stream, by the producer''s times; NULL for the error rate, which has no place in the stream',
    COMMENT COLUMN fired_at_event 'how many events of the model had been seen when it fired',
    COMMENT COLUMN raised_at 'when it began to fire: the clock, UTC; NULL if that is unknown',
    COMMENT COLUMN acknowledged_at 'when it was acknowledged: the clock, UTC; NULL if it was not, or if the time is unknown',
    COMMENT COLUMN acknowledged_by 'the person who acknowledged it; NULL if nobody has',
    COMMENT COLUMN resolved_at 'when it was resolved: the clock, UTC; NULL while it is not, or if the time is unknown',
    COMMENT COLUMN resolved_by 'the person who resolved it; watchloop if the program did; NULL while it is open',
    COMMENT COLUMN seconds_to_acknowledge 'seconds of the clock from raised_at; NULL if it was not acknowledged, or a time is unknown',
    COMMENT COLUMN seconds_to_resolve 'seconds of the clock from raised_at; NULL while it is open, or if a time is unknown',
    COMMENT COLUMN report_id 'the Evidently report, in reports; empty where there is none';

ALTER TABLE $database.reviewer_activity
    MODIFY COMMENT 'One row for each person, model and day: opinions that stand, withdrawals, requests on alerts'' pages, and how often the person agreed with others.',
    COMMENT COLUMN person 'the person',
    COMMENT COLUMN model 'the model of the tasks',
    COMMENT COLUMN day 'the day on which they were given: the clock, UTC',
    COMMENT COLUMN simulated 'whether it was a program of the demo',
    COMMENT COLUMN opinions 'answers to tasks that stand: the newest of a person to a task, unless taken back',
    COMMENT COLUMN withdrawn 'answers taken back',
    COMMENT COLUMN alert_acts 'alerts acknowledged or resolved on their pages: not answers',
    COMMENT COLUMN cannot_tell 'opinions that the person could not tell; part of opinions',
    COMMENT COLUMN on_settled_tasks 'opinions of which the task is settled by now; part of opinions',
    COMMENT COLUMN compared 'opinions that could differ from the settled answer: others voted too, and this opinion did not decide between them',
    COMMENT COLUMN agreed 'compared opinions that equal the settled answer: agreed / compared is the share of agreement',
    COMMENT COLUMN median_seconds 'median of the seconds spent on an opinion; NULL without one';

ALTER TABLE $database.model_history
    MODIFY COMMENT 'One row for each time that a version was put in charge, with the gate''s decision that put it there.',
    COMMENT COLUMN model 'the model',
    COMMENT COLUMN version 'the version that was put in charge',
    COMMENT COLUMN parent 'the version before it; empty for none',
    COMMENT COLUMN recipe 'stack: a learned model; production: none is in charge',
    COMMENT COLUMN corrections 'how many corrections it had learned from',
    COMMENT COLUMN size_bytes 'bytes of the snapshot',
    COMMENT COLUMN created_at 'when it was published: the clock, UTC',
    COMMENT COLUMN reason 'why it was published',
    COMMENT COLUMN gate_decision 'promoted, refreshed, refused or rolled_back; NULL if no gate was involved',
    COMMENT COLUMN gate_reason 'why, in words; NULL likewise',
    COMMENT COLUMN log_evidence 'natural logarithm of the evidence (an e-value) that it is better; NULL likewise',
    COMMENT COLUMN log_threshold 'the evidence at which it is promoted: ln(1/alpha); NULL likewise',
    COMMENT COLUMN approved_by 'who approved it; NULL where nobody had to';

ALTER TABLE $database.reject_reasons
    MODIFY COMMENT 'One row for each reason why something could not be used, the most frequent first.',
    COMMENT COLUMN source_topic 'the topic that it came from',
    COMMENT COLUMN role 'who could not use it, as in rejects',
    COMMENT COLUMN field 'the JSON path, or the header, that was wrong; empty if the bytes were no JSON at all',
    COMMENT COLUMN reason 'what was wrong, and what would be right; without the value that came, which the example shows',
    COMMENT COLUMN rejects 'how many elements were refused for it',
    COMMENT COLUMN first_at 'when the first was refused: the clock, UTC',
    COMMENT COLUMN last_at 'when the last was refused: the clock, UTC',
    COMMENT COLUMN example 'the first 200 bytes of one of them';
