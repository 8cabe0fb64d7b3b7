SELECT json_object('channel_cid', m.cid, 'channel_type', c.type, 'channel_id', c.id, 'user_id', m.user_id, 'message_id', m.id, 'id', m.id,
	'text', m.text, 'html', '', 'type', m.type,
	'user', json_object('id', u.id, 'role', u.role, 'name', u.name, 'image', u.image, 'language', u.language, 'teams', json(u.teams), 'created_at', u.created_at, 'updated_at', u.updated_at, 'custom', json(u.custom)),
	'attachments', json(coalesce(m.attachments, '[]')),
	'latest_reactions', json((
		SELECT json_group_array(json(o)) FROM (
			SELECT json_object('message_id', r.message_id, 'user_id', r.user_id, 'type', r.type, 'score', r.score, 'created_at', r.created_at, 'updated_at', r.updated_at,
				'user', json_object('id', ru.id, 'role', ru.role, 'name', ru.name, 'image', ru.image, 'language', ru.language, 'teams', json(ru.teams), 'created_at', ru.created_at, 'updated_at', ru.updated_at, 'custom', json(ru.custom))) AS o
			FROM reactions r JOIN users ru ON ru.id = r.user_id WHERE r.message_id = m.id ORDER BY r.created_at DESC))),
	'own_reactions', json('[]'),
	'reaction_counts', json((SELECT json_group_object(type, n) FROM (SELECT type, count(*) AS n FROM reactions WHERE message_id = m.id GROUP BY type))),
	'reaction_scores', json((SELECT json_group_object(type, s) FROM (SELECT type, sum(score) AS s FROM reactions WHERE message_id = m.id GROUP BY type))),
	'reaction_groups', json((
		SELECT json_group_object(type, json_object('count', n, 'sum_scores', s, 'first_reaction_at', a, 'last_reaction_at', z)) FROM (
			SELECT type, count(*) AS n, sum(score) AS s, min(created_at) AS a, max(created_at) AS z FROM reactions WHERE message_id = m.id GROUP BY type))),
	'thread_participants', json((
		SELECT json_group_array(json_object('id', tu.id, 'role', tu.role, 'name', tu.name, 'image', tu.image, 'language', tu.language, 'teams', json(tu.teams), 'created_at', tu.created_at, 'updated_at', tu.updated_at, 'custom', json(tu.custom)))
		FROM thread_participants t JOIN users tu ON tu.id = t.user_id WHERE t.message_id = m.id)),
	'reply_count', m.reply_count, 'deleted_reply_count', 0, 'parent_id', m.parent_id, 'show_in_channel', m.show_in_channel,
	'quoted_message_id', m.quoted_message_id,
	'quoted_message', CASE WHEN q.id IS NOT NULL THEN json_object('id', q.id, 'text', q.text, 'type', q.type,
		'user', json_object('id', qu.id, 'role', qu.role, 'name', qu.name, 'image', qu.image, 'language', qu.language, 'teams', json(qu.teams), 'created_at', qu.created_at, 'updated_at', qu.updated_at, 'custom', json(qu.custom)),
		'attachments', json(coalesce(q.attachments, '[]')), 'reply_count', q.reply_count, 'cid', q.cid, 'created_at', q.created_at,
		'updated_at', q.updated_at, 'deleted_at', q.deleted_at, 'custom', json(q.custom)) END,
	'cid', m.cid, 'created_at', m.created_at, 'updated_at', m.updated_at, 'deleted_at', m.deleted_at, 'shadowed', json('false'),
	'mentioned_users', json((
		SELECT json_group_array(json_object('id', nu.id, 'role', nu.role, 'name', nu.name, 'image', nu.image, 'language', nu.language, 'teams', json(nu.teams), 'created_at', nu.created_at, 'updated_at', nu.updated_at, 'custom', json(nu.custom)))
		FROM mentions n JOIN users nu ON nu.id = n.user_id WHERE n.message_id = m.id)),
	'silent', json('false'), 'pinned', json('false'), 'pinned_at', NULL, 'pinned_by', NULL, 'pin_expires', NULL, 'custom', json(m.custom))
FROM messages m JOIN channels c ON c.cid = m.cid JOIN users u ON u.id = m.user_id
LEFT JOIN messages q ON q.id = m.quoted_message_id LEFT JOIN users qu ON qu.id = q.user_id
ORDER BY m.cid, m.created_at, m.id
