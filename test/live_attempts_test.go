package test_test

import "slices"

// attempts are requests on every endpoint, with an id wherever one can stand.
// The app that makes them has the users zoe and zed, the channel zoe-room, the
// message zoe-m and the call zoe-call. Those that make something come last.
func attempts() []attempt {
	return slices.Concat(exportAttempts(), userAttempts(), channelAttempts(), memberAttempts(), messageAttempts(), callAttempts(), setupAttempts(), makers())
}

func exportAttempts() []attempt {
	return []attempt{
		{"channel", "POST", "/export_channels", `{"channels":[{"cid":"messaging:ID"}]}`, false},
		{"channel", "POST", "/export_channels", `{"channels":[{"type":"messaging","id":"ID"}],"include_soft_deleted_channels":true}`, false},
		{"task", "GET", "/export_channels/ID", "", false},
		{"user", "POST", "/export/users", `{"user_ids":["zoe","ID"]}`, false},
		{"user", "GET", "/users/ID/export", "", false},
		{"", "GET", "/tasks", "", true},
		{"task", "GET", "/tasks/ID", "", false},
		{"task", "POST", "/tasks/ID/cancel", "", false},
		{"", "POST", "/import_urls", `{"filename":"chat.jsonl"}`, true},
		{"path", "POST", "/imports", `{"path":"ID"}`, false},
		{"", "GET", "/imports", "", true},
		{"import", "GET", "/imports/ID", "", false},
	}
}

func userAttempts() []attempt {
	return []attempt{
		{"user", "PATCH", "/users", `{"users":[{"id":"ID","set":{"name":"x"}}]}`, false},
		{"user", "PATCH", "/users", `{"users":[{"id":"zoe","set":{"name":"x"}},{"id":"ID","unset":["name"]}]}`, false},
		{"user", "GET", `/users?payload={"filter_conditions":{"id":"ID"},"include_deactivated_users":true}`, "", true},
		{"user", "GET", `/users?payload={"filter_conditions":{"id":{"$in":["ID"]}}}`, "", true},
		{"", "GET", `/users?payload={"filter_conditions":{},"include_deactivated_users":true}`, "", true},
		{"", "GET", `/users?payload={"filter_conditions":{"teams":{"$in":["secretly"]}}}`, "", true},
		{"user", "DELETE", "/users/ID", "", false},
		{"user", "DELETE", "/users/ID?hard_delete=true&mark_messages_deleted=true&delete_conversation_channels=true", "", false},
		{"user", "POST", "/users/ID/deactivate", `{"mark_messages_deleted":true}`, false},
		{"user", "POST", "/users/zed/deactivate", `{"created_by_id":"ID"}`, false},
		{"user", "POST", "/users/ID/reactivate", `{"restore_messages":true}`, false},
		{"user", "POST", "/users/deactivate", `{"user_ids":["zed","ID"],"mark_messages_deleted":true}`, false},
		{"user", "POST", "/users/reactivate", `{"user_ids":["ID"],"restore_messages":true}`, false},
		{"user", "POST", "/users/restore", `{"user_ids":["ID"]}`, false},
		{"user", "POST", "/users/delete", `{"user_ids":["zed","ID"],"user":"hard","messages":"hard","conversations":"hard"}`, false},
		{"user", "POST", "/users/delete", `{"user_ids":["zed"],"new_channel_owner_id":"ID"}`, false},
		{"user", "GET", "/users/block?user_id=ID", "", false},
		{"user", "POST", "/users/block", `{"user_id":"zoe","blocked_user_id":"ID"}`, false},
		{"user", "POST", "/users/block", `{"user_id":"ID","blocked_user_id":"zoe"}`, false},
		{"user", "POST", "/users/unblock", `{"user_id":"zoe","blocked_user_id":"ID"}`, false},
		{"user", "POST", "/users/unblock", `{"user_id":"ID","blocked_user_id":"zoe"}`, false},
	}
}

func channelAttempts() []attempt {
	const own = "/channels/messaging/zoe-room"
	return []attempt{
		{"channel", "POST", "/channels", `{"filter_conditions":{"cid":"messaging:ID"},"state":true}`, true},
		{"channel", "POST", "/channels", `{"filter_conditions":{"id":{"$in":["ID"]}},"state":true}`, true},
		{"user", "POST", "/channels", `{"filter_conditions":{"members":{"$in":["ID"]}}}`, true},
		{"user", "POST", "/channels", `{"filter_conditions":{},"user_id":"ID"}`, false},
		{"", "POST", "/channels", `{"filter_conditions":{},"state":true}`, true},
		{"", "POST", "/channels", `{"filter_conditions":{"topic":"secretly"}}`, true},
		{"user", "POST", "/channels/messaging/query", `{"data":{"created_by_id":"zoe","members":[{"user_id":"zoe"},{"user_id":"ID"}]}}`, false},
		{"user", "POST", "/channels/messaging/zoe-new/query", `{"data":{"created_by_id":"ID"}}`, false},
		{"user", "POST", "/channels/messaging/zoe-new/query", `{"data":{"created_by_id":"zoe","members":[{"user_id":"ID"}]}}`, false},
		{"user", "POST", "/channels/messaging/zoe-new/query", `{"data":{"created_by_id":"zoe","invites":[{"user_id":"ID"}]}}`, false},
		{"user", "POST", own + "/query", `{"user_id":"ID","state":true}`, false},
		{"channel", "POST", "/channels/messaging/ID/query", `{"state":true}`, false}, // without data there is nothing to make
		{"channel", "GET", "/channels/messaging/ID", "", false},
		{"channel", "POST", "/channels/messaging/ID", `{"data":{"name":"x"},"add_members":[{"user_id":"zoe"}]}`, false},
		{"user", "POST", own, `{"add_members":[{"user_id":"ID"}]}`, false},
		{"user", "POST", own, `{"invites":[{"user_id":"ID"}]}`, false},
		{"user", "POST", own, `{"remove_members":["ID"]}`, true},
		{"user", "POST", own, `{"add_moderators":["ID"]}`, false},
		{"user", "POST", own, `{"demote_moderators":["ID"]}`, false},
		{"user", "POST", own, `{"assign_roles":[{"user_id":"ID","channel_role":"pilot"}]}`, false},
		{"user", "POST", own, `{"accept_invite":true,"user_id":"ID"}`, false},
		{"user", "POST", own, `{"reject_invite":true,"user_id":"ID"}`, false},
		{"user", "POST", own, `{"message":{"text":"x","user_id":"ID"}}`, false},
		{"channel", "PATCH", "/channels/messaging/ID", `{"set":{"topic":"x"},"unset":["name"]}`, false},
		{"user", "PATCH", own, `{"set":{"topic":"x"},"user_id":"ID"}`, false},
		{"channel", "DELETE", "/channels/messaging/ID", "", false},
		{"channel", "DELETE", "/channels/messaging/ID?hard_delete=true", "", false},
		{"channel", "POST", "/channels/delete", `{"cids":["messaging:zoe-room","messaging:ID"]}`, false},
		{"channel", "POST", "/channels/delete", `{"cids":["messaging:zoe-room","messaging:ID"],"hard_delete":true}`, false},
		{"channel", "POST", "/channels/messaging/ID/truncate", `{"hard_delete":true}`, false},
		{"user", "POST", own + "/truncate", `{"user_id":"ID"}`, false},
		{"user", "POST", own + "/truncate", `{"member_ids":["ID"]}`, false},
		{"channel", "POST", "/channels/messaging/ID/hide", `{"user_id":"zoe","clear_history":true}`, false},
		{"user", "POST", own + "/hide", `{"user_id":"ID"}`, false},
		{"channel", "POST", "/channels/messaging/ID/show", `{"user_id":"zoe"}`, false},
		{"user", "POST", own + "/show", `{"user_id":"ID"}`, false},
		{"channel", "POST", "/channels/messaging/ID/event", `{"event":{"type":"x","user_id":"zoe"}}`, false},
		{"user", "POST", own + "/event", `{"event":{"type":"x","user_id":"ID"}}`, false},
		{"channel", "POST", "/moderation/mute/channel", `{"channel_cids":["messaging:ID"],"user_id":"zoe"}`, false},
		{"user", "POST", "/moderation/mute/channel", `{"channel_cids":["messaging:zoe-room"],"user_id":"ID"}`, false},
		{"channel", "POST", "/moderation/unmute/channel", `{"channel_cids":["messaging:ID"],"user_id":"zoe"}`, false},
		{"user", "POST", "/moderation/unmute/channel", `{"channel_cids":["messaging:zoe-room"],"user_id":"ID"}`, false},
	}
}

func memberAttempts() []attempt {
	const own = "/channels/messaging/zoe-room"
	return []attempt{
		{"channel", "GET", `/members?payload={"type":"messaging","id":"ID","filter_conditions":{}}`, "", false},
		{"user", "GET", `/members?payload={"type":"messaging","id":"zoe-room","filter_conditions":{"id":"ID"}}`, "", true},
		{"channel", "PATCH", "/channels/messaging/ID/member?user_id=zoe", `{"set":{"a":1}}`, false},
		{"user", "PATCH", own + "/member?user_id=ID", `{"set":{"a":1}}`, false},
		{"channel", "PATCH", "/channels/messaging/ID/member/zoe", `{"set":{"a":1}}`, false},
		{"user", "PATCH", own + "/member/ID", `{"set":{"a":1}}`, false},
		{"channel", "POST", "/channels/messaging/ID/read", `{"user_id":"zoe"}`, false},
		{"user", "POST", own + "/read", `{"user_id":"ID"}`, false},
		{"message", "POST", own + "/read", `{"user_id":"zoe","message_id":"ID"}`, false},
		{"message", "POST", own + "/read", `{"user_id":"zoe","thread_id":"ID"}`, false},
		{"channel", "POST", "/channels/messaging/ID/unread", `{"user_id":"zoe","message_id":"zoe-m"}`, false},
		{"user", "POST", own + "/unread", `{"user_id":"ID","message_id":"zoe-m"}`, false},
		{"message", "POST", own + "/unread", `{"user_id":"zoe","message_id":"ID"}`, false},
		{"message", "POST", own + "/unread", `{"user_id":"zoe","thread_id":"ID"}`, false},
		{"channel", "POST", "/channels/read", `{"user_id":"zoe","read_by_channel":{"messaging:ID":""}}`, false},
		{"user", "POST", "/channels/read", `{"user_id":"ID","read_by_channel":{"messaging:zoe-room":""}}`, false},
		{"message", "POST", "/channels/read", `{"user_id":"zoe","read_by_channel":{"messaging:zoe-room":"ID"}}`, false},
	}
}

func messageAttempts() []attempt {
	const own = "/channels/messaging/zoe-room"
	return []attempt{
		{"channel", "POST", "/channels/messaging/ID/message", `{"message":{"text":"x","user_id":"zoe"}}`, false},
		{"user", "POST", own + "/message", `{"message":{"text":"x","user_id":"ID"}}`, false},
		{"user", "POST", own + "/message", `{"message":{"text":"x","user_id":"zoe","mentioned_users":["ID"]}}`, false},
		{"user", "POST", own + "/message", `{"message":{"text":"x","user_id":"zoe","restricted_visibility":["ID"]}}`, false},
		{"message", "POST", own + "/message", `{"message":{"text":"x","user_id":"zoe","parent_id":"ID"}}`, false},
		{"message", "POST", own + "/message", `{"message":{"text":"x","user_id":"zoe","quoted_message_id":"ID"}}`, false},
		{"message", "GET", own + "/messages?ids=ID", "", true},
		{"channel", "GET", "/channels/messaging/ID/messages?ids=zoe-m", "", false},
		{"message", "GET", "/messages/ID", "", false},
		{"message", "GET", "/messages/ID?show_deleted_message=true", "", false},
		{"message", "POST", "/messages/ID", `{"message":{"text":"x","user_id":"zoe"}}`, false},
		{"user", "POST", "/messages/zoe-m", `{"message":{"text":"x","user_id":"ID"}}`, false},
		{"message", "POST", "/messages/zoe-m", `{"message":{"text":"x","user_id":"zoe","quoted_message_id":"ID"}}`, false},
		{"message", "PUT", "/messages/ID", `{"set":{"text":"x","pinned":true},"user_id":"zoe"}`, false},
		{"user", "PUT", "/messages/zoe-m", `{"set":{"pinned":true},"user_id":"ID"}`, false},
		{"message", "DELETE", "/messages/ID", "", false},
		{"message", "DELETE", "/messages/ID?hard=true", "", false},
		{"message", "DELETE", "/messages/ID?delete_for_me=true&deleted_by=zoe", "", false},
		{"user", "DELETE", "/messages/zoe-m?deleted_by=ID", "", false},
		{"user", "DELETE", "/messages/zoe-m?delete_for_me=true&deleted_by=ID", "", false},
		{"message", "POST", "/messages/ID/undelete", `{"undeleted_by":"zoe"}`, false},
		{"message", "POST", "/messages/ID/commit", "", false},
		{"message", "GET", "/messages/ID/replies", "", false},
		{"message", "GET", "/messages/zoe-m/replies?id_lt=ID", "", true},
		{"message", "POST", "/messages/history", `{"filter":{"message_id":"ID"}}`, true},
		{"user", "POST", "/messages/history", `{"filter":{"message_id":"zoe-m","message_updated_by_id":"ID"}}`, true},
		{"message", "POST", "/messages/ID/reaction", `{"reaction":{"type":"wave","user_id":"zoe"},"enforce_unique":true}`, false},
		{"user", "POST", "/messages/zoe-m/reaction", `{"reaction":{"type":"wave","user_id":"ID"}}`, false},
		{"message", "DELETE", "/messages/ID/reaction/secretly?user_id=zoe", "", false},
		{"user", "DELETE", "/messages/zoe-m/reaction/wave?user_id=ID", "", false},
		{"message", "GET", "/messages/ID/reactions", "", false},
		{"message", "POST", "/messages/ID/reactions", `{"filter":{}}`, false},
		{"user", "POST", "/messages/zoe-m/reactions", `{"filter":{"user_id":"ID"}}`, true},
	}
}

func callAttempts() []attempt {
	return []attempt{
		{"user", "POST", "/call/default/zoe-new", `{"data":{"created_by_id":"ID"}}`, false},
		{"user", "POST", "/call/default/zoe-new", `{"data":{"created_by_id":"zoe","members":[{"user_id":"ID"}]}}`, false},
		{"call", "POST", "/call/default/ID", "", false}, // without data there is nothing to make
		{"call", "GET", "/call/default/ID", "", false},
		{"call", "PATCH", "/call/default/ID", `{"custom":{"topic":"x"}}`, false},
		{"call", "POST", "/call/default/ID/members", `{"update_members":[{"user_id":"zoe"}],"remove_members":["zed"]}`, false},
		{"user", "POST", "/call/default/zoe-call/members", `{"update_members":[{"user_id":"ID"}]}`, false},
		{"call", "POST", "/call/default/ID/mark_ended", "", false},
		{"call", "POST", "/call/default/ID/delete", "", false},
		{"call", "POST", "/call/default/ID/delete", `{"hard":true}`, false},
		{"call", "POST", "/calls", `{"filter_conditions":{"cid":"default:ID"}}`, true},
		{"user", "POST", "/calls", `{"filter_conditions":{"members":{"$in":["ID"]}}}`, true},
		{"", "POST", "/calls", `{"filter_conditions":{}}`, true},
	}
}

func setupAttempts() []attempt {
	return []attempt{
		{"", "GET", "/channeltypes", "", true},
		{"type", "GET", "/channeltypes/ID", "", false},
		{"type", "PUT", "/channeltypes/ID", `{"reactions":false}`, false},
		{"type", "DELETE", "/channeltypes/ID", "", false},
		{"", "GET", "/app", "", true},
		{"", "PATCH", "/app", `{"color":"red"}`, true},
		{"", "GET", "/app", "", true},
		{"", "GET", "/rate_limits", "", true},
	}
}

// makers make something that has the id, for the app that asks.
func makers() []attempt {
	return []attempt{
		{"user", "POST", "/users", `{"users":{"ID":{"id":"ID","name":"Mine"}}}`, true},
		{"user", "GET", "/users/ID/export", "", true},
		{"user", "POST", "/guest", `{"user":{"id":"ID"}}`, true},
		{"channel", "POST", "/channels/messaging/ID/query", `{"data":{"created_by_id":"zoe"},"state":true}`, true},
		{"channel", "GET", "/channels/messaging/ID", "", true},
		{"channel", "POST", "/channels/messaging/ID/truncate", `{"hard_delete":true}`, true},
		{"message", "POST", "/channels/messaging/owner-room/message", `{"message":{"id":"ID","text":"mine","user_id":"zoe"}}`, true},
		{"message", "POST", "/messages/ID/reaction", `{"reaction":{"type":"wave","user_id":"zoe"}}`, true},
		{"message", "PUT", "/messages/ID", `{"set":{"text":"still mine"}}`, true},
		{"message", "POST", "/messages/history", `{"filter":{"message_id":"ID"}}`, true},
		{"call", "POST", "/call/default/ID", `{"data":{"created_by_id":"zoe"}}`, true},
		{"call", "POST", "/call/default/ID/delete", `{"hard":true}`, true},
		{"type", "POST", "/channeltypes", `{"name":"ID"}`, true},
		{"type", "DELETE", "/channeltypes/ID", "", true},
	}
}
