SELECT m.*, c.type AS channel_type, c.id AS channel_id, u.role AS user_role, u.name AS user_name, u.image AS user_image, u.language AS user_language,
	u.teams AS user_teams, u.created_at AS user_created_at, u.updated_at AS user_updated_at, u.custom AS user_custom
FROM messages m JOIN channels c ON c.cid = m.cid JOIN users u ON u.id = m.user_id
ORDER BY m.cid, m.created_at, m.id
