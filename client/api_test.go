package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hansard/client"
)

// exchange is a method of the client, what it must ask, and what it must make
// of the answer.
type exchange struct {
	do     func(context.Context, *client.Client) (any, error)
	ask    string // method, path and query, without the API key
	body   string
	answer string
	want   string // what do returns
}

func TestMethods(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	const at = "2026-01-02T03:04:05.000006Z"
	five := 5
	ids := func(list []client.Message, err error) (any, error) {
		var ids []string
		for i := range list {
			ids = append(ids, list[i].ID)
		}
		return ids, err
	}
	for name, x := range map[string]exchange{
		"UpsertUsers": {
			func(ctx context.Context, c *client.Client) (any, error) {
				users, err := c.UpsertUsers(ctx, client.User{
					ID: "ada", Name: "Ada", Role: "admin", Teams: []string{"red"}, Custom: client.Custom{"age": []byte("36.50")},
					UserInfo: client.UserInfo{Banned: true, CreatedAt: when}, // of an earlier answer
				}, client.User{ID: "bob"})
				return users["ada"].CreatedAt, err
			},
			"POST /users", `{"users":{"ada":{"id":"ada","role":"admin","name":"Ada","teams":["red"],"age":36.50},"bob":{"id":"bob"}}}`,
			`{"users":{"ada":{"id":"ada","created_at":"` + at + `"}}}`, "2026-01-02 03:04:05.000006 +0000 UTC",
		},
		"PatchUsers": {
			func(ctx context.Context, c *client.Client) (any, error) {
				users, err := c.PatchUsers(ctx, client.UserPatch{ID: "ada", Set: map[string]any{"a.b": 1}, Unset: []string{"x"}})
				return users["ada"].Name, err
			},
			"PATCH /users", `{"users":[{"id":"ada","set":{"a.b":1},"unset":["x"]}]}`, `{"users":{"ada":{"id":"ada","name":"Ada"}}}`, "Ada",
		},
		"QueryUsers": {
			func(ctx context.Context, c *client.Client) (any, error) {
				users, err := c.QueryUsers(ctx, client.UserQuery{
					Filter: client.Filter{"role": client.Filter{"$in": []string{"admin"}}}, Sort: []client.Sort{{Field: "name", Direction: -1}},
					Page: client.Page{Limit: 2, Offset: 4}, IncludeDeactivated: true,
				})
				return len(users), err
			},
			`GET /users?payload={"filter_conditions":{"role":{"$in":["admin"]}},"sort":[{"field":"name","direction":-1}],"limit":2,"offset":4,"include_deactivated_users":true}`,
			"", `{"users":[{"id":"a"},{"id":"b"}]}`, "2",
		},
		"QueryUsers, all": {
			func(ctx context.Context, c *client.Client) (any, error) {
				users, err := c.QueryUsers(ctx, client.UserQuery{})
				return len(users), err
			},
			`GET /users?payload={"filter_conditions":{}}`, "", `{"users":[]}`, "0",
		},
		"DeactivateUser": {
			func(ctx context.Context, c *client.Client) (any, error) {
				u, err := c.DeactivateUser(ctx, "ada", client.Deactivation{MarkMessagesDeleted: true, CreatedByID: "bob"})
				return u.DeactivatedAt.IsZero(), err
			},
			"POST /users/ada/deactivate", `{"mark_messages_deleted":true,"created_by_id":"bob"}`, `{"user":{"id":"ada","deactivated_at":"` + at + `"}}`, "false",
		},
		"DeactivateUsers": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.DeactivateUsers(ctx, []string{"ada"}, client.Deactivation{})
			},
			"POST /users/deactivate", `{"user_ids":["ada"]}`, `{"task_id":"t1"}`, "t1",
		},
		"ReactivateUser": {
			func(ctx context.Context, c *client.Client) (any, error) {
				u, err := c.ReactivateUser(ctx, "ada", client.Reactivation{RestoreMessages: true, Name: "Ada"})
				return u.ID, err
			},
			"POST /users/ada/reactivate", `{"restore_messages":true,"name":"Ada"}`, `{"user":{"id":"ada"}}`, "ada",
		},
		"ReactivateUsers": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.ReactivateUsers(ctx, []string{"ada"}, client.Reactivation{RestoreMessages: true})
			},
			"POST /users/reactivate", `{"user_ids":["ada"],"restore_messages":true}`, `{"task_id":"t1"}`, "t1",
		},
		"RestoreUsers": {
			func(ctx context.Context, c *client.Client) (any, error) { return "", c.RestoreUsers(ctx, "ada", "bob") },
			"POST /users/restore", `{"user_ids":["ada","bob"]}`, `{}`, "",
		},
		"DeleteUser": {
			func(ctx context.Context, c *client.Client) (any, error) {
				u, err := c.DeleteUser(ctx, "ada", client.UserDeletion{Hard: true, MarkMessagesDeleted: true})
				return u.ID, err
			},
			"DELETE /users/ada?hard_delete=true&mark_messages_deleted=true", "", `{"user":{"id":"ada"}}`, "ada",
		},
		"DeleteUsers": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.DeleteUsers(ctx, []string{"ada"}, client.UsersDeletion{Messages: client.Hard, NewChannelOwnerID: "bob"})
			},
			"POST /users/delete", `{"user_ids":["ada"],"user":"soft","messages":"hard","new_channel_owner_id":"bob"}`, `{"task_id":"t1"}`, "t1",
		},
		"ExportUser": {
			func(ctx context.Context, c *client.Client) (any, error) {
				x, err := c.ExportUser(ctx, "ada")
				return fmt.Sprint(x.User.ID, x.Messages[0].Text, x.Reactions[0].Type), err
			},
			"GET /users/ada/export", "", `{"user":{"id":"ada"},"messages":[{"id":"m","text":"hi","user":null}],"reactions":[{"type":"love","user":null}]}`, "adahilove",
		},

		"GetOrCreateChannel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				s, err := c.GetOrCreateChannel(ctx, "messaging:tea", client.ChannelRequest{
					Data: &client.Channel{
						CreatedByID: "ada", Members: []client.Member{{UserID: "ada", ChannelRole: "owner", MemberInfo: client.MemberInfo{Banned: true}}, {UserID: "bob"}},
						Custom: client.Custom{"name": []byte(`"Tea"`)}, ChannelInfo: client.ChannelInfo{CID: "messaging:tea"},
					},
					State: true, Messages: client.MessagePage{Limit: 5, IDBefore: "m9"}, Members: client.Page{Limit: 2}, HideForCreator: true,
				})
				return fmt.Sprint(s.Channel.CreatedByID, s.Messages[0].UserID, s.Members[0].UserID, s.Read[0].UnreadMessages), err
			},
			"POST /channels/messaging/tea/query",
			`{"data":{"created_by_id":"ada","members":[{"user_id":"ada","channel_role":"owner"},{"user_id":"bob"}],"name":"Tea"},` +
				`"state":true,"messages":{"limit":5,"id_lt":"m9"},"members":{"limit":2},"hide_for_creator":true}`,
			`{"channel":{"cid":"messaging:tea","created_by":{"id":"ada"}},"messages":[{"id":"m","user":{"id":"bob"}}],"members":[{"user":{"id":"cyd"}}],` +
				`"read":[{"user":{"id":"ada"},"last_read":"` + at + `","unread_messages":3}],"membership":null}`, "adabobcyd3",
		},
		"GetOrCreateDistinctChannel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				s, err := c.GetOrCreateDistinctChannel(ctx, "messaging", client.ChannelRequest{})
				return s.Channel.ID, err
			},
			"POST /channels/messaging/query", `{"state":false}`, `{"channel":{"id":"!members-x"}}`, "!members-x",
		},
		"QueryChannels": {
			func(ctx context.Context, c *client.Client) (any, error) {
				list, err := c.QueryChannels(ctx, client.ChannelQuery{
					Filter: client.Filter{"type": "messaging"}, Page: client.Page{Limit: 3}, State: true, MessageLimit: 1, MemberLimit: 2, UserID: "ada",
				})
				return list[0].Channel.CID, err
			},
			"POST /channels", `{"filter_conditions":{"type":"messaging"},"limit":3,"state":true,"message_limit":1,"member_limit":2,"user_id":"ada"}`,
			`{"channels":[{"channel":{"cid":"messaging:tea"}}]}`, "messaging:tea",
		},
		"UpdateChannel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				a, err := c.UpdateChannel(ctx, "messaging:tea", client.ChannelUpdate{
					Data:    &client.Channel{Frozen: true, Members: []client.Member{{UserID: "ada"}}, Custom: client.Custom{"a": []byte("1")}},
					Message: &client.Message{UserID: "ada", Text: "new"}, AddMembers: []client.Member{{UserID: "cyd"}}, RemoveMembers: []string{"bob"},
					Invites: []client.Member{{UserID: "dan"}}, AddModerators: []string{"eve"}, DemoteModerators: []string{"fay"},
					AssignRoles: []client.Member{{UserID: "ada", ChannelRole: "boss"}}, AcceptInvite: true, UserID: "dan", HideHistory: true, Cooldown: &five,
				})
				return fmt.Sprint(a.Channel.Frozen, len(a.Members), a.Message.Text), err
			},
			"POST /channels/messaging/tea",
			`{"data":{"frozen":true,"a":1},"message":{"user_id":"ada","text":"new"},"add_members":[{"user_id":"cyd"}],"remove_members":["bob"],` +
				`"invites":[{"user_id":"dan"}],"add_moderators":["eve"],"demote_moderators":["fay"],"assign_roles":[{"user_id":"ada","channel_role":"boss"}],` +
				`"accept_invite":true,"user_id":"dan","hide_history":true,"cooldown":5}`,
			`{"channel":{"frozen":true},"members":[{"user_id":"ada"}],"message":{"text":"new"}}`, "true 1new",
		},
		"PatchChannel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				a, err := c.PatchChannel(ctx, "messaging:tea", client.Patch{Set: map[string]any{"frozen": false}, Unset: []string{"a"}, UserID: "ada"})
				return a.Channel.Frozen, err
			},
			"PATCH /channels/messaging/tea", `{"set":{"frozen":false},"unset":["a"],"user_id":"ada"}`, `{"channel":{"frozen":false},"members":[]}`, "false",
		},
		"DeleteChannel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				ch, err := c.DeleteChannel(ctx, "messaging:tea", true)
				return ch.DeletedAt.Equal(when), err
			},
			"DELETE /channels/messaging/tea?hard_delete=true", "", `{"channel":{"deleted_at":"` + at + `"}}`, "true",
		},
		"DeleteChannels": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.DeleteChannels(ctx, []string{"messaging:tea"}, false)
			},
			"POST /channels/delete", `{"cids":["messaging:tea"],"hard_delete":false}`, `{"task_id":"t1"}`, "t1",
		},
		"TruncateChannel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				a, err := c.TruncateChannel(ctx, "messaging:tea", client.Truncation{
					Hard: true, TruncatedAt: when, UserID: "ada", Message: &client.Message{Text: "clean"},
				})
				return a.Channel.TruncatedBy.ID, err
			},
			"POST /channels/messaging/tea/truncate", `{"hard_delete":true,"truncated_at":"` + at + `","user_id":"ada","message":{"text":"clean"}}`,
			`{"channel":{"truncated_by":{"id":"ada"}}}`, "ada",
		},
		"MarkRead": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return "", c.MarkRead(ctx, "messaging:tea", "ada", "m1")
			},
			"POST /channels/messaging/tea/read", `{"message_id":"m1","user_id":"ada"}`, `{"event":{"type":"message.read"}}`, "",
		},
		"MarkRead, all": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return "", c.MarkRead(ctx, "messaging:tea", "ada", "")
			},
			"POST /channels/messaging/tea/read", `{"user_id":"ada"}`, `{}`, "",
		},
		"MarkUnread": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return "", c.MarkUnread(ctx, "messaging:tea", "ada", "m1")
			},
			"POST /channels/messaging/tea/unread", `{"message_id":"m1","user_id":"ada"}`, `{}`, "",
		},
		"HideChannel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return "", c.HideChannel(ctx, "messaging:tea", "ada", true)
			},
			"POST /channels/messaging/tea/hide", `{"clear_history":true,"user_id":"ada"}`, `{}`, "",
		},
		"ShowChannel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return "", c.ShowChannel(ctx, "messaging:tea", "ada")
			},
			"POST /channels/messaging/tea/show", `{"user_id":"ada"}`, `{}`, "",
		},
		"QueryMembers": {
			func(ctx context.Context, c *client.Client) (any, error) {
				list, err := c.QueryMembers(ctx, "messaging:tea", client.MemberQuery{Filter: client.Filter{"banned": true}, Page: client.Page{Limit: 9}})
				return list[0].UserID, err
			},
			`GET /members?payload={"type":"messaging","id":"tea","filter_conditions":{"banned":true},"limit":9}`, "", `{"members":[{"user_id":"bob"}]}`, "bob",
		},
		"PatchMember": {
			func(ctx context.Context, c *client.Client) (any, error) {
				m, err := c.PatchMember(ctx, "messaging:tea", "ada", client.Patch{Set: map[string]any{"pinned": true}})
				return m.PinnedAt.Equal(when), err
			},
			"PATCH /channels/messaging/tea/member/ada", `{"set":{"pinned":true}}`, `{"channel_member":{"user_id":"ada","pinned_at":"` + at + `"}}`, "true",
		},

		"SendMessage": {
			func(ctx context.Context, c *client.Client) (any, error) {
				m, err := c.SendMessage(ctx, "messaging:tea", client.Message{
					ID: "m1", UserID: "ada", Text: "a < b", MentionedUsers: []client.User{{ID: "bob", Name: "Bob"}}, ParentID: "m0", ShowInChannel: true,
					Attachments: []json.RawMessage{[]byte(`{"z":1,"a":2.50}`)}, Pinned: true, PinExpires: when, Custom: client.Custom{"big": []byte("12345678901234567890")},
					MessageInfo: client.MessageInfo{HTML: "<p>", CreatedAt: when, User: &client.User{ID: "ada"}}, // of an earlier answer
				})
				return m.UserID, err
			},
			"POST /channels/messaging/tea/message",
			`{"message":{"id":"m1","user_id":"ada","text":"a \u003c b","attachments":[{"z":1,"a":2.50}],"parent_id":"m0","show_in_channel":true,"pinned":true,` +
				`"pin_expires":"` + at + `","mentioned_users":["bob"],"big":12345678901234567890}}`,
			`{"message":{"id":"m1","user":{"id":"ada"}}}`, "ada",
		},
		"GetMessage": {
			func(ctx context.Context, c *client.Client) (any, error) {
				m, err := c.GetMessage(ctx, "m1")
				return m.CID, err
			},
			"GET /messages/m1", "", `{"message":{"id":"m1","cid":"messaging:tea"}}`, "messaging:tea",
		},
		"GetMessages": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return ids(c.GetMessages(ctx, "messaging:tea", "m1", "m2"))
			},
			"GET /channels/messaging/tea/messages?ids=m1,m2", "", `{"messages":[{"id":"m1"},{"id":"m2"}]}`, "[m1 m2]",
		},
		"UpdateMessage": {
			func(ctx context.Context, c *client.Client) (any, error) {
				m, err := c.UpdateMessage(ctx, client.Message{ID: "m1", UserID: "ada", Text: "new", MessageInfo: client.MessageInfo{ReplyCount: 2}})
				return m.ReplyCount, err
			},
			"POST /messages/m1", `{"message":{"id":"m1","user_id":"ada","text":"new"}}`, `{"message":{"id":"m1","reply_count":2}}`, "2",
		},
		"PatchMessage": {
			func(ctx context.Context, c *client.Client) (any, error) {
				m, err := c.PatchMessage(ctx, "m1", client.Patch{Set: map[string]any{"pinned": true}, UserID: "ada"})
				return m.PinnedBy.ID, err
			},
			"PUT /messages/m1", `{"set":{"pinned":true},"user_id":"ada"}`, `{"message":{"pinned_by":{"id":"ada"}}}`, "ada",
		},
		"DeleteMessage": {
			func(ctx context.Context, c *client.Client) (any, error) {
				m, err := c.DeleteMessage(ctx, "m1", client.MessageDeletion{ForMe: true, DeletedBy: "ada"})
				return m.Type, err
			},
			"DELETE /messages/m1?delete_for_me=true&deleted_by=ada", "", `{"message":{"type":"deleted"}}`, "deleted",
		},
		"UndeleteMessage": {
			func(ctx context.Context, c *client.Client) (any, error) {
				m, err := c.UndeleteMessage(ctx, "m1", "ada")
				return m.Type, err
			},
			"POST /messages/m1/undelete", `{"undeleted_by":"ada"}`, `{"message":{"type":"regular"}}`, "regular",
		},
		"Replies": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return ids(c.Replies(ctx, "m1", client.MessagePage{Limit: 2, IDAfter: "m5", CreatedBefore: when}))
			},
			"GET /messages/m1/replies?created_at_before=" + at + "&id_gt=m5&limit=2", "", `{"messages":[{"id":"m6"}]}`, "[m6]",
		},
		"MessageHistory": {
			func(ctx context.Context, c *client.Client) (any, error) {
				p, err := c.MessageHistory(ctx, client.HistoryQuery{Filter: client.Filter{"message_id": "m1"}, Limit: 1, Next: "n0"})
				return fmt.Sprint(p.Versions[0].Text, string(p.Versions[0].Custom["a"]), p.Next), err
			},
			"POST /messages/history", `{"filter":{"message_id":"m1"},"limit":1,"next":"n0"}`,
			`{"message_history":[{"message_id":"m1","text":"old","custom":{"a":1.0}}],"next":"n1"}`, "old1.0n1",
		},
		"SendReaction": {
			func(ctx context.Context, c *client.Client) (any, error) {
				a, err := c.SendReaction(ctx, "m1", client.Reaction{
					Type: "love", UserID: "ada", Score: 3, Custom: client.Custom{"x": []byte("1")}, ReactionInfo: client.ReactionInfo{MessageID: "m0"},
				}, true)
				return fmt.Sprint(a.Message.ReactionCounts, a.Reaction.UserID), err
			},
			"POST /messages/m1/reaction", `{"reaction":{"type":"love","user_id":"ada","score":3,"x":1},"enforce_unique":true}`,
			`{"message":{"reaction_counts":{"love":1}},"reaction":{"type":"love","user":{"id":"ada"}}}`, "map[love:1]ada",
		},
		"DeleteReaction": {
			func(ctx context.Context, c *client.Client) (any, error) {
				a, err := c.DeleteReaction(ctx, "m1", "a/b ❤", "ada")
				return a.Reaction.Type, err
			},
			"DELETE /messages/m1/reaction/a%2Fb%20%E2%9D%A4?user_id=ada", "", `{"reaction":{"type":"a/b ❤"}}`, "a/b ❤",
		},
		"Reactions": {
			func(ctx context.Context, c *client.Client) (any, error) {
				list, err := c.Reactions(ctx, "m1", client.Page{Limit: 2, Offset: 1})
				return list[0].UserID, err
			},
			"GET /messages/m1/reactions?limit=2&offset=1", "", `{"reactions":[{"type":"love","user_id":"bob"}]}`, "bob",
		},

		"GetOrCreateCall": {
			func(ctx context.Context, c *client.Client) (any, error) {
				s, err := c.GetOrCreateCall(ctx, "default:daily", client.Call{
					CreatedByID: "ada", StartsAt: when, Members: []client.CallMember{{UserID: "ada", Role: "host", Custom: client.Custom{"y": []byte("2")}}},
					Custom: client.Custom{"x": []byte("1")}, CallInfo: client.CallInfo{CID: "default:daily"},
				})
				return fmt.Sprint(s.Created, s.Call.CreatedByID, s.Members[0].UserID), err
			},
			"POST /call/default/daily",
			`{"data":{"created_by_id":"ada","starts_at":"` + at + `","members":[{"user_id":"ada","role":"host","custom":{"y":2}}],"custom":{"x":1}}}`,
			`{"call":{"cid":"default:daily","created_by":{"id":"ada"}},"created":true,"members":[{"user_id":"ada"}]}`, "trueadaada",
		},
		"GetCall": {
			func(ctx context.Context, c *client.Client) (any, error) {
				s, err := c.GetCall(ctx, "default:daily")
				return string(s.Call.Custom["x"]), err
			},
			"GET /call/default/daily", "", `{"call":{"cid":"default:daily","x":1.50,"settings":{}},"members":[]}`, "1.50",
		},
		"UpdateCall": {
			func(ctx context.Context, c *client.Client) (any, error) {
				s, err := c.UpdateCall(ctx, "default:daily", client.CallUpdate{Custom: client.Custom{"x": []byte("1")}})
				return s.Call.ID, err
			},
			"PATCH /call/default/daily", `{"custom":{"x":1}}`, `{"call":{"id":"daily"}}`, "daily",
		},
		"UpdateCallMembers": {
			func(ctx context.Context, c *client.Client) (any, error) {
				list, err := c.UpdateCallMembers(ctx, "default:daily", []client.CallMember{{UserID: "bob"}}, []string{"ada"})
				return list[0].UserID, err
			},
			"POST /call/default/daily/members", `{"update_members":[{"user_id":"bob"}],"remove_members":["ada"]}`, `{"members":[{"user_id":"bob"}]}`, "bob",
		},
		"EndCall": {
			func(ctx context.Context, c *client.Client) (any, error) { return "", c.EndCall(ctx, "default:daily") },
			"POST /call/default/daily/mark_ended", `{}`, `{}`, "",
		},
		"DeleteCall": {
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.DeleteCall(ctx, "default:daily", true)
			},
			"POST /call/default/daily/delete", `{"hard":true}`, `{"call":{},"task_id":"t1"}`, "t1",
		},
		"QueryCalls": {
			func(ctx context.Context, c *client.Client) (any, error) {
				p, err := c.QueryCalls(ctx, client.CallQuery{Limit: 1})
				return fmt.Sprint(p.Calls[0].Call.CID, p.Next), err
			},
			"POST /calls", `{"filter_conditions":{},"limit":1}`, `{"calls":[{"call":{"cid":"default:daily"}}],"next":"n"}`, "default:dailyn",
		},

		"CreateImportURL": {
			func(ctx context.Context, c *client.Client) (any, error) {
				u, err := c.CreateImportURL(ctx, "chat.jsonl")
				return u.UploadURL + u.Path, err
			},
			"POST /import_urls", `{"filename":"chat.jsonl"}`, `{"upload_url":"http://u","path":"p"}`, "http://up",
		},
		"CreateImport": {
			func(ctx context.Context, c *client.Client) (any, error) {
				i, err := c.CreateImport(ctx, client.ImportRequest{Path: "p", Mode: "insert", MergeCustom: true})
				return i.State, err
			},
			"POST /imports", `{"path":"p","mode":"insert","merge_custom":true}`, `{"import_task":{"id":"i","state":"uploaded"}}`, "uploaded",
		},
		"Import": {
			func(ctx context.Context, c *client.Client) (any, error) {
				i, err := c.Import(ctx, "i1")
				return i.Size, err
			},
			"GET /imports/i1", "", `{"import_task":{"id":"i1","size":7}}`, "7",
		},
		"Cancel": {
			func(ctx context.Context, c *client.Client) (any, error) {
				task, err := c.Cancel(ctx, "t1")
				return task.Status, err
			},
			"POST /tasks/t1/cancel", "", `{"task_id":"t1","status":"failed"}`, "failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				query := r.URL.Query()
				query.Del("api_key")
				ask := r.Method + " " + r.URL.EscapedPath()
				for i, name := range slices.Sorted(maps.Keys(query)) {
					ask += string("?&"[min(i, 1)]) + name + "=" + query.Get(name)
				}
				if ask != x.ask || string(body) != x.body {
					t.Errorf("asked for\n%s\n%s\nwant\n%s\n%s", ask, body, x.ask, x.body)
				}
				_, _ = io.WriteString(w, x.answer)
			})
			got, err := x.do(t.Context(), c)
			if err != nil || fmt.Sprint(got) != x.want {
				t.Errorf("got %v, %v, want %s", got, err, x.want)
			}
		})
	}
}

// Whatever fails gives its error and nothing else.
func TestMethodsFail(t *testing.T) {
	t.Parallel()
	c := serve(t, answers(`404 {"code":16,"message":"none","StatusCode":404}`))
	for name, fn := range map[string]func(context.Context) error{
		"users":    func(ctx context.Context) error { _, err := c.UpsertUsers(ctx); return err },
		"user":     func(ctx context.Context) error { _, err := c.DeleteUser(ctx, "u", client.UserDeletion{}); return err },
		"task":     func(ctx context.Context) error { _, err := c.DeleteUsers(ctx, nil, client.UsersDeletion{}); return err },
		"channel":  func(ctx context.Context) error { _, err := c.DeleteChannel(ctx, "m:a", false); return err },
		"member":   func(ctx context.Context) error { _, err := c.PatchMember(ctx, "m:a", "u", client.Patch{}); return err },
		"message":  func(ctx context.Context) error { _, err := c.GetMessage(ctx, "m"); return err },
		"messages": func(ctx context.Context) error { _, err := c.Replies(ctx, "m", client.MessagePage{}); return err },
		"call":     func(ctx context.Context) error { _, err := c.UpdateCallMembers(ctx, "m:a", nil, nil); return err },
		"import":   func(ctx context.Context) error { _, err := c.Import(ctx, "i"); return err },
	} {
		if err := fn(t.Context()); !client.IsNotFound(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What cannot be an id is not asked for: it would lead to another place.
func TestBadIDs(t *testing.T) {
	t.Parallel()
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL) })
	for _, id := range []string{"", ".", ".."} {
		_, errGet := c.GetMessage(t.Context(), id)
		_, errDelete := c.DeleteUser(t.Context(), id, client.UserDeletion{})
		for _, err := range []error{errGet, errDelete} {
			if err == nil || !strings.Contains(err.Error(), "id") {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	for _, cid := range []string{"", "tea", ":tea", "messaging:", "messaging"} {
		_, errGet := c.QueryMembers(t.Context(), cid, client.MemberQuery{})
		_, errSend := c.SendMessage(t.Context(), cid, client.Message{})
		for _, err := range []error{errGet, errSend} {
			if err == nil || !strings.Contains(err.Error(), "type:id") {
				t.Errorf("%q: %v", cid, err)
			}
		}
	}
}
