SELECT row_to_json(x) FROM (
	SELECT m.cid AS channel_cid, c.type AS channel_type, c.id AS channel_id, m.user_id, m.id AS message_id, m.id, m.text, '' AS html, m.type,
		row_to_json(u) AS "user", coalesce(m.attachments, '[]') AS attachments,
		'[]'::json AS latest_reactions, '[]'::json AS own_reactions, '{}'::json AS reaction_counts, '{}'::json AS reaction_scores, NULL AS reaction_groups,
		t.participants AS thread_participants, m.reply_count, 0 AS deleted_reply_count, m.parent_id, m.show_in_channel, m.quoted_message_id,
		CASE WHEN q.id IS NOT NULL THEN json_build_object('id', q.id, 'text', q.text, 'type', q.type, 'user', row_to_json(qu),
			'attachments', coalesce(q.attachments, '[]'), 'reply_count', q.reply_count, 'cid', q.cid, 'created_at', q.created_at,
			'updated_at', q.updated_at, 'deleted_at', q.deleted_at, 'custom', q.custom) END AS quoted_message,
		m.cid, m.created_at, m.updated_at, m.deleted_at, false AS shadowed, coalesce(n.users, '[]') AS mentioned_users, false AS silent,
		false AS pinned, NULL AS pinned_at, NULL AS pinned_by, NULL AS pin_expires, m.custom
	FROM messages m JOIN channels c USING (cid) JOIN users u ON u.id = m.user_id
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
