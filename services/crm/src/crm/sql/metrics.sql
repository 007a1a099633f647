-- Each statement of the consumer serves a whole batch: its parameters are arrays, one element for each row.

-- name: tasks
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT * FROM metered_task WHERE tenant_id = wanted.tenant_id AND task_id = wanted.id LIMIT 1
) AS found

-- name: agents
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT * FROM metered_agent WHERE tenant_id = wanted.tenant_id AND agent_id = wanted.id LIMIT 1
) AS found

-- name: save_tasks
INSERT INTO metered_task (
  tenant_id, task_id, queue, client, channel, consults, waits_since_ms, assigned_at_ms, wrapup_at_ms
)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:task_id AS text[]), CAST(:queue AS text[]), CAST(:client AS text[]),
  CAST(:channel AS text[]), CAST(:consults AS boolean[]), CAST(:waits_since_ms AS bigint[]),
  CAST(:assigned_at_ms AS bigint[]), CAST(:wrapup_at_ms AS bigint[])
)
ON CONFLICT (tenant_id, task_id) DO UPDATE SET
  queue = excluded.queue, waits_since_ms = excluded.waits_since_ms,
  assigned_at_ms = excluded.assigned_at_ms, wrapup_at_ms = excluded.wrapup_at_ms

-- name: remove_tasks
DELETE FROM metered_task AS kept
USING unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS ended (tenant_id, id)
WHERE kept.tenant_id = ended.tenant_id AND kept.task_id = ended.id

-- name: save_agents
INSERT INTO metered_agent (tenant_id, agent_id, since_ms, ready, present, in_hand)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:agent_id AS text[]), CAST(:since_ms AS bigint[]), CAST(:ready AS boolean[]),
  CAST(:present AS boolean[]), CAST(:in_hand AS integer[])
)
ON CONFLICT (tenant_id, agent_id) DO UPDATE SET
  since_ms = excluded.since_ms, ready = excluded.ready, present = excluded.present, in_hand = excluded.in_hand

-- name: add_intervals
-- In one order for all, so that writers of several partitions wait for each other instead of deadlocking.
INSERT INTO metric_interval AS kept (
  tenant_id, counting, "of", at_ms, domain, name, client, channel, offered, offered_by_transfer, offered_by_move,
  answered, wait_ms, abandoned, abandoned_wait_ms, short_abandoned, moved_out, called_back, passed_out, promised,
  within, forecast, forecast_error_ms, forecast_bias_ms, others_offered, others_assigned, assigned_again, left_again,
  requeued, unassigned, handled, handle_ms, hold_ms, wrapup_ms, handed_over, waits_begun, waits_ended, offers,
  offers_accepted, offers_rejected, offers_expired, offers_taken_back, busy_ms, task_ms, idle_ms
)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:counting AS smallint[]), CAST(:of AS text[]), CAST(:at_ms AS bigint[]),
  CAST(:domain AS text[]), CAST(:name AS text[]), CAST(:client AS text[]), CAST(:channel AS text[]), CAST(:offered AS
  bigint[]), CAST(:offered_by_transfer AS bigint[]), CAST(:offered_by_move AS bigint[]), CAST(:answered AS bigint[]),
  CAST(:wait_ms AS bigint[]), CAST(:abandoned AS bigint[]), CAST(:abandoned_wait_ms AS bigint[]),
  CAST(:short_abandoned AS bigint[]), CAST(:moved_out AS bigint[]), CAST(:called_back AS bigint[]), CAST(:passed_out
  AS bigint[]), CAST(:promised AS bigint[]), CAST(:within AS bigint[]), CAST(:forecast AS bigint[]),
  CAST(:forecast_error_ms AS bigint[]), CAST(:forecast_bias_ms AS bigint[]), CAST(:others_offered AS bigint[]),
  CAST(:others_assigned AS bigint[]), CAST(:assigned_again AS bigint[]), CAST(:left_again AS bigint[]), CAST(:requeued
  AS bigint[]), CAST(:unassigned AS bigint[]), CAST(:handled AS bigint[]), CAST(:handle_ms AS bigint[]), CAST(:hold_ms
  AS bigint[]), CAST(:wrapup_ms AS bigint[]), CAST(:handed_over AS bigint[]), CAST(:waits_begun AS bigint[]),
  CAST(:waits_ended AS bigint[]), CAST(:offers AS bigint[]), CAST(:offers_accepted AS bigint[]), CAST(:offers_rejected
  AS bigint[]), CAST(:offers_expired AS bigint[]), CAST(:offers_taken_back AS bigint[]), CAST(:busy_ms AS bigint[]),
  CAST(:task_ms AS bigint[]), CAST(:idle_ms AS bigint[])
)
ON CONFLICT (tenant_id, counting, "of", at_ms, domain, name, client, channel) DO UPDATE SET
  offered = kept.offered + excluded.offered, offered_by_transfer = kept.offered_by_transfer +
  excluded.offered_by_transfer, offered_by_move = kept.offered_by_move + excluded.offered_by_move, answered =
  kept.answered + excluded.answered, wait_ms = kept.wait_ms + excluded.wait_ms, abandoned = kept.abandoned +
  excluded.abandoned, abandoned_wait_ms = kept.abandoned_wait_ms + excluded.abandoned_wait_ms, short_abandoned =
  kept.short_abandoned + excluded.short_abandoned, moved_out = kept.moved_out + excluded.moved_out, called_back =
  kept.called_back + excluded.called_back, passed_out = kept.passed_out + excluded.passed_out, promised =
  kept.promised + excluded.promised, within = kept.within + excluded.within, forecast = kept.forecast +
  excluded.forecast, forecast_error_ms = kept.forecast_error_ms + excluded.forecast_error_ms, forecast_bias_ms =
  kept.forecast_bias_ms + excluded.forecast_bias_ms, others_offered = kept.others_offered + excluded.others_offered,
  others_assigned = kept.others_assigned + excluded.others_assigned, assigned_again = kept.assigned_again +
  excluded.assigned_again, left_again = kept.left_again + excluded.left_again, requeued = kept.requeued +
  excluded.requeued, unassigned = kept.unassigned + excluded.unassigned, handled = kept.handled + excluded.handled,
  handle_ms = kept.handle_ms + excluded.handle_ms, hold_ms = kept.hold_ms + excluded.hold_ms, wrapup_ms =
  kept.wrapup_ms + excluded.wrapup_ms, handed_over = kept.handed_over + excluded.handed_over, waits_begun =
  kept.waits_begun + excluded.waits_begun, waits_ended = kept.waits_ended + excluded.waits_ended, offers = kept.offers
  + excluded.offers, offers_accepted = kept.offers_accepted + excluded.offers_accepted, offers_rejected =
  kept.offers_rejected + excluded.offers_rejected, offers_expired = kept.offers_expired + excluded.offers_expired,
  offers_taken_back = kept.offers_taken_back + excluded.offers_taken_back, busy_ms = kept.busy_ms + excluded.busy_ms,
  task_ms = kept.task_ms + excluded.task_ms, idle_ms = kept.idle_ms + excluded.idle_ms

-- name: add_backlogs
-- In one order, as the intervals. Rows that have come to zero stay: they are few.
INSERT INTO metric_backlog AS kept (tenant_id, counting, at_ms, domain, name, client, channel, more)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:counting AS smallint[]), CAST(:at_ms AS bigint[]), CAST(:domain AS text[]),
  CAST(:name AS text[]), CAST(:client AS text[]), CAST(:channel AS text[]), CAST(:more AS bigint[])
)
ON CONFLICT (tenant_id, counting, at_ms, domain, name, client, channel) DO UPDATE SET more = kept.more + excluded.more

-- name: add_entries
INSERT INTO metric_entry (
  tenant_id, counting, at_ms, task_id, sequence, part, domain, queue, client, channel, agent_id, counts
)
SELECT
  tenant_id, counting, at_ms, task_id, sequence, part, domain, queue, client, channel, agent_id, CAST(counts AS jsonb)
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:counting AS smallint[]), CAST(:at_ms AS bigint[]), CAST(:task_id AS text[]),
  CAST(:sequence AS text[]), CAST(:part AS smallint[]), CAST(:domain AS text[]), CAST(:queue AS text[]),
  CAST(:client AS text[]), CAST(:channel AS text[]), CAST(:agent_id AS text[]), CAST(:counts AS text[])
) AS given (
  tenant_id, counting, at_ms, task_id, sequence, part, domain, queue, client, channel, agent_id, counts
)

-- name: intervals
-- Steps of whole intervals. Queues and agents are told apart by domain; clients and channels are not.
SELECT
  at_ms - at_ms % CAST(:step_ms AS bigint) AS at_ms,
  CASE WHEN CAST(:by AS text) IN ('queue', 'agent') THEN domain END AS domain,
  CASE CAST(:by AS text) WHEN 'client' THEN client WHEN 'channel' THEN channel ELSE name END AS name,
  CAST(sum(offered) AS bigint) AS offered, CAST(sum(offered_by_transfer) AS bigint) AS offered_by_transfer,
  CAST(sum(offered_by_move) AS bigint) AS offered_by_move, CAST(sum(answered) AS bigint) AS answered,
  CAST(sum(wait_ms) AS bigint) AS wait_ms, CAST(sum(abandoned) AS bigint) AS abandoned, CAST(sum(abandoned_wait_ms) AS
  bigint) AS abandoned_wait_ms, CAST(sum(short_abandoned) AS bigint) AS short_abandoned, CAST(sum(moved_out) AS
  bigint) AS moved_out, CAST(sum(called_back) AS bigint) AS called_back, CAST(sum(passed_out) AS bigint) AS
  passed_out, CAST(sum(promised) AS bigint) AS promised, CAST(sum(within) AS bigint) AS within, CAST(sum(forecast) AS
  bigint) AS forecast, CAST(sum(forecast_error_ms) AS bigint) AS forecast_error_ms, CAST(sum(forecast_bias_ms) AS
  bigint) AS forecast_bias_ms, CAST(sum(others_offered) AS bigint) AS others_offered, CAST(sum(others_assigned) AS
  bigint) AS others_assigned, CAST(sum(assigned_again) AS bigint) AS assigned_again, CAST(sum(left_again) AS bigint)
  AS left_again, CAST(sum(requeued) AS bigint) AS requeued, CAST(sum(unassigned) AS bigint) AS unassigned,
  CAST(sum(handled) AS bigint) AS handled, CAST(sum(handle_ms) AS bigint) AS handle_ms, CAST(sum(hold_ms) AS bigint)
  AS hold_ms, CAST(sum(wrapup_ms) AS bigint) AS wrapup_ms, CAST(sum(handed_over) AS bigint) AS handed_over,
  CAST(sum(waits_begun) AS bigint) AS waits_begun, CAST(sum(waits_ended) AS bigint) AS waits_ended, CAST(sum(offers)
  AS bigint) AS offers, CAST(sum(offers_accepted) AS bigint) AS offers_accepted, CAST(sum(offers_rejected) AS bigint)
  AS offers_rejected, CAST(sum(offers_expired) AS bigint) AS offers_expired, CAST(sum(offers_taken_back) AS bigint) AS
  offers_taken_back, CAST(sum(busy_ms) AS bigint) AS busy_ms, CAST(sum(task_ms) AS bigint) AS task_ms,
  CAST(sum(idle_ms) AS bigint) AS idle_ms
FROM metric_interval
WHERE tenant_id = :tenant AND counting = :counting AND "of" = :of AND at_ms >= :from_ms AND at_ms < :to_ms
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT :rows_max

-- name: backlog
-- How many waited when the first interval began: of whole weeks, and of the week in which it lies.
SELECT
  CASE WHEN CAST(:by AS text) = 'queue' THEN domain END AS domain,
  CASE CAST(:by AS text) WHEN 'client' THEN client WHEN 'channel' THEN channel ELSE name END AS name,
  CAST(sum(more) AS bigint) AS waiting
FROM (
  SELECT domain, name, client, channel, more FROM metric_backlog
  WHERE tenant_id = :tenant AND counting = :counting AND at_ms < CAST(:from_ms AS bigint) - CAST(:from_ms AS bigint) % 604800000
  UNION ALL
  SELECT domain, name, client, channel, waits_begun - waits_ended FROM metric_interval
  WHERE tenant_id = :tenant AND counting = :counting AND "of" = 'queue'
    AND at_ms >= CAST(:from_ms AS bigint) - CAST(:from_ms AS bigint) % 604800000 AND at_ms < :from_ms
) AS told
GROUP BY 1, 2

-- name: oldest_entry
SELECT min(at_ms) AS at_ms FROM metric_entry WHERE tenant_id = :tenant AND counting = :counting

-- name: entries
-- Newest first; (at_ms, key, part) of the last row seen is the cursor.
SELECT *, task_id || ' ' || sequence AS key FROM metric_entry
WHERE tenant_id = :tenant AND counting = :counting AND at_ms >= :from_ms AND at_ms < :to_ms
  AND (at_ms, task_id || ' ' || sequence, part) < (CAST(:at_ms AS bigint), CAST(:key AS text), CAST(:part AS bigint))
  AND counts ?| CAST(:names AS text[])
  AND (CAST(:domain AS text) IS NULL OR domain = :domain) AND (CAST(:queue AS text) IS NULL OR queue = :queue)
  AND (CAST(:client AS text) IS NULL OR client = :client) AND (CAST(:channel AS text) IS NULL OR channel = :channel)
  AND (CAST(:agent AS text) IS NULL OR agent_id = :agent)
ORDER BY at_ms DESC, task_id || ' ' || sequence DESC, part DESC LIMIT :rows_max

-- name: sweep_entries
-- By the primary key, one tenant and version of counting after the other: an index by time alone would cost each insert.
WITH RECURSIVE kept AS (
  (SELECT tenant_id, counting FROM metric_entry ORDER BY tenant_id, counting LIMIT 1)
  UNION ALL
  SELECT following.tenant_id, following.counting FROM kept, LATERAL (
    SELECT tenant_id, counting FROM metric_entry
    WHERE (tenant_id, counting) > (kept.tenant_id, kept.counting) ORDER BY tenant_id, counting LIMIT 1
  ) AS following
)
DELETE FROM metric_entry WHERE ctid IN (
  SELECT old.ctid FROM kept, LATERAL (
    SELECT ctid FROM metric_entry
    WHERE tenant_id = kept.tenant_id AND counting = kept.counting
      AND at_ms < CAST(extract(epoch FROM now()) * 1000 AS bigint) - CAST(:keep_days AS bigint) * 86400000
    ORDER BY at_ms LIMIT :rows_max FOR UPDATE SKIP LOCKED
  ) AS old LIMIT :rows_max
)
