package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hansard/client"

	"github.com/golang-jwt/jwt/v5"
)

// exampleServer answers as a Hansard with a small chat does.
func exampleServer() *httptest.Server {
	const file = `{"type":"channel","data":{"cid":"messaging:tea"}}` + "\n"
	sum := sha256.Sum256([]byte(file))
	mux := http.NewServeMux()
	answer := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.ReplaceAll(body, "HOST", r.Host))
		})
	}
	answer("POST /export_channels", `{"task_id":"7d1f"}`)
	answer("GET /tasks/7d1f", `{"task_id":"7d1f","status":"completed","progress":{"done":2,"total":2,"percent":100},
		"result":{"url":"http://HOST/file","path":"exports/tea.jsonl","size":`+fmt.Sprint(len(file))+`,"sha256":"`+hex.EncodeToString(sum[:])+`","counts":{"messages":2}}}`)
	answer("GET /file", file)
	answer("POST /users", `{"users":{"ada":{"id":"ada","name":"Ada","born":1815}}}`)
	answer("POST /channels/messaging/tea/query", `{"channel":{"cid":"messaging:tea","member_count":2}}`)
	answer("POST /channels/messaging/tea/message", `{"message":{"id":"first","text":"Tea at four?","user":{"id":"ada"},"html":"<p>Tea at four?</p>","cups":2.50}}`)
	mux.HandleFunc("GET /messages/nothing", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"code":16,"message":"there is no such message","StatusCode":404}`)
	})
	mux.HandleFunc("GET /tasks", func(w http.ResponseWriter, r *http.Request) {
		page := ""
		if r.URL.Query().Get("offset") == "" {
			page = `{"task_id":"7d1f","type":"export.channels","status":"completed"},{"task_id":"03aa","type":"export.users","status":"failed"}`
		}
		_, _ = fmt.Fprintf(w, `{"tasks":[%s]}`, page)
	})
	return httptest.NewServer(mux)
}

func exampleClient() (*client.Client, func()) {
	s := exampleServer()
	c, err := client.New(client.Options{Server: s.URL, APIKey: "shop", APISecret: "s3cret"})
	if err != nil {
		panic(err)
	}
	return c, s.Close
}

// An export from the question to the file.
func Example() {
	c, closeServer := exampleClient() // client.New(client.Options{…})
	defer closeServer()
	ctx := context.Background()

	id, err := c.ExportChannels(ctx, client.ChannelsRequest{
		Channels: []client.ChannelWindow{{CID: "messaging:tea"}}, Version: "v2",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	task, err := c.WaitForTask(ctx, id, func(t *client.Task) {
		fmt.Printf("%s, %.0f %%\n", t.Status, t.Progress.Percent)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "tea.jsonl")
	if err := c.DownloadFile(ctx, task, file, nil); err != nil {
		fmt.Println(err)
		return
	}
	content, err := os.ReadFile(file)
	fmt.Printf("%d messages: %s%v\n", task.Result.Counts["messages"], content, err)
	// Output:
	// completed, 100 %
	// 2 messages: {"type":"channel","data":{"cid":"messaging:tea"}}
	// <nil>
}

// A chat that is filled live.
func ExampleClient_SendMessage() {
	c, closeServer := exampleClient()
	defer closeServer()
	ctx := context.Background()

	users, err := c.UpsertUsers(ctx, client.User{ID: "ada", Name: "Ada", Custom: client.Custom{"born": []byte("1815")}}, client.User{ID: "grace"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(users["ada"].Name, "was born in", string(users["ada"].Custom["born"]))

	state, err := c.GetOrCreateChannel(ctx, "messaging:tea", client.ChannelRequest{
		Data: &client.Channel{CreatedByID: "ada", Members: []client.Member{{UserID: "ada"}, {UserID: "grace"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(state.Channel.CID, "has", state.Channel.MemberCount, "members")

	message := client.Message{UserID: "ada", Text: "Tea at four?"}
	if err := message.Custom.Set("cups", 2.5); err != nil {
		fmt.Println(err)
		return
	}
	sent, err := c.SendMessage(ctx, "messaging:tea", message)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sent.User.ID, "said", sent.HTML, "with", string(sent.Custom["cups"]), "cups")
	// Output:
	// Ada was born in 1815
	// messaging:tea has 2 members
	// ada said <p>Tea at four?</p> with 2.50 cups
}

// All tasks, however many there are.
func ExampleClient_Tasks() {
	c, closeServer := exampleClient()
	defer closeServer()
	for task, err := range c.Tasks(context.Background(), client.TaskQuery{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(task.ID, task.Type, task.Status)
	}
	// Output:
	// 7d1f export.channels completed
	// 03aa export.users failed
}

// What does not exist is told from other errors.
func ExampleIsNotFound() {
	c, closeServer := exampleClient()
	defer closeServer()
	_, err := c.GetMessage(context.Background(), "nothing")
	fmt.Println(client.IsNotFound(err), err)
	// Output: true there is no such message
}

// A token for an application that acts as one user.
func ExampleUserToken() {
	token, err := client.UserToken("s3cret", "ada", time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	claims := jwt.MapClaims{}
	_, err = jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte("s3cret"), nil })
	fmt.Println(claims["user_id"], err)
	// Output: ada <nil>
}
