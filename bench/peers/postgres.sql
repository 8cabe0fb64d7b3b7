SELECT row_to_json(x) FROM (
	SELECT m.cid AS channel_cid, c.type AS channel_type, c.id AS channel_id, m.user_id, m.id AS message_id, m.id, m.text, '' AS html, m.type,
		row_to_json(u) AS "user", coalesce(m.attachments, '[]') AS attachments,
		coalesce(r.latest, '[]') AS latest_reactions, '[]'::json AS own_reactions,
		coalesce(g.counts, '{}') AS reaction_counts, coalesce(g.scores, '{}') AS reaction_scores, g.groups AS reaction_groups,
		t.participants AS thread_participants, m.reply_count, 0 AS deleted_reply_count, m.parent_id, m.show_in_channel, m.quoted_message_id,
		CASE WHEN q.id IS NOT NULL THEN json_build_object('id', q.id, 'text', q.text, 'type', q.type, 'user', row_to_json(qu),
			'attachments', coalesce(q.attachments, '[]'), 'reply_count', q.reply_count, 'cid', q.cid, 'created_at', q.created_at,
			'updated_at', q.updated_at, 'deleted_at', q.deleted_at, 'custom', q.custom) END AS quoted_message,
		m.cid, m.created_at, m.updated_at, m.deleted_at, false AS shadowed, coalesce(n.users, '[]') AS mentioned_users, false AS silent,
		false AS pinned, NULL AS pinned_at, NULL AS pinned_by, NULL AS pin_expires, m.custom
	FROM messages m JOIN channels c USING (cid) JOIN users u ON u.id = m.user_id
	LEFT JOIN (
		SELECT r.message_id, json_agg(json_build_object('message_id', r.message_id, 'user_id', r.user_id, 'user', row_to_json(u), 'type', r.type,
			'score', r.score, 'created_at', r.created_at, 'updated_at', r.updated_at) ORDER BY r.created_at DESC) AS latest
		FROM reactions r JOIN users u ON u.id = r.user_id GROUP BY r.message_id
	) r ON r.message_id = m.id
	LEFT JOIN (
		SELECT message_id, json_object_agg(type, n) AS counts, json_object_agg(type, s) AS scores,
			json_object_agg(type, json_build_object('count', n, 'sum_scores', s, 'first_reaction_at', first, 'last_reaction_at', last)) AS groups
		FROM (
			SELECT message_id, type, count(*) AS n, sum(score) AS s, min(created_at) AS first, max(created_at) AS last
			FROM reactions GROUP BY message_id, type
		) k GROUP BY message_id
	) g ON g.message_id = m.id
	LEFT JOIN (
		SELECT t.message_id, json_agg(row_to_json(u)) AS participants
		FROM thread_participants t JOIN users u ON u.id = t.user_id GROUP BY t.message_id
	) t ON t.message_id = m.id
	LEFT JOIN (
		SELECT n.message_id, json_agg(row_to_json(u)) AS users
		FROM mentions n JOIN users u ON u.id = n.user_id GROUP BY n.message_id
	) n ON n.message_id = m.id
	LEFT JOIN messages q ON q.id = m.quoted_message_id LEFT JOIN users qu ON qu.id = q.user_id
	ORDER BY m.cid, m.created_at, m.id
) x
