package importer

import (
	"encoding/json"

	"hansard/internal/chat"
	"hansard/internal/store"
)

// State is where an import stands (contract section 8).
type State string

// The states of an import.
const (
	Uploaded      State = "uploaded"
	Analyzing     State = "analyzing"
	AnalyzeFailed State = "analyze_failed" // final: the file is bad
	Importing     State = "importing"
	Completed     State = "completed" // final
	Failed        State = "failed"    // final
)

type change struct {
	CreatedAt chat.Time `json:"created_at"`
	Prev      State     `json:"prev_state"`
	Next      State     `json:"next_state"`
}

// detail is store.Task.Detail of an import.
type detail struct {
	State   State     `json:"state"`
	History []change  `json:"history"`
	Errors  []Problem `json:"errors,omitempty"`
	More    bool      `json:"more_errors,omitempty"`
	NotChat bool      `json:"not_chat,omitempty"`
	// Records and Of are how far this state is, in records; Of is a guess
	// while the file is being checked.
	Records int64 `json:"records,omitempty"`
	Of      int64 `json:"of,omitempty"`
}

func readDetail(t *store.Task) detail {
	d := detail{State: Uploaded}
	if len(t.Detail) > 0 {
		// What this package wrote; should it be damaged, the task's own
		// status still tells the truth.
		_ = json.Unmarshal(t.Detail, &d)
	}
	return d
}

func (d *detail) to(next State, at chat.Time) {
	if d.State == next {
		return
	}
	d.History = append(d.History, change{CreatedAt: at, Prev: d.State, Next: next})
	d.State = next
}

// result is store.Task.Result of an import.
type result struct {
	Counts  Counts  `json:"counts"`
	Skipped Skipped `json:"skipped"`
	Seconds float64 `json:"seconds"`
}

// view is an import_task as clients know it.
type view struct {
	ID          string          `json:"id"`
	State       State           `json:"state"`
	Mode        string          `json:"mode"`
	MergeCustom bool            `json:"merge_custom"`
	Path        string          `json:"path"`
	Size        int64           `json:"size"`
	Result      json.RawMessage `json:"result"`
	CreatedAt   chat.Time       `json:"created_at"`
	UpdatedAt   chat.Time       `json:"updated_at"`
	History     []change        `json:"history"`
}

// View gives an import as the classic JSON of an import_task. Its "result" is
// the counts of a completed import; {"errors":[{line, column, field, reason}],
// "more_errors"} of a bad file; {"error":{type, description}} of another
// failure; {} before the end.
func View(t store.Task) []byte {
	var req request
	// Both were written by this package; what is damaged shows as empty.
	_ = json.Unmarshal(t.Request, &req)
	d := readDetail(&t)
	switch {
	case t.Status == store.Completed:
		d.to(Completed, t.UpdatedAt)
	case t.Status == store.Failed && d.State != AnalyzeFailed:
		d.to(Failed, t.UpdatedAt)
	}
	v := view{
		ID: t.ID, State: d.State, Mode: req.Mode, MergeCustom: req.MergeCustom, Path: req.Path, Size: req.Size,
		Result: json.RawMessage("{}"), CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt, History: d.History,
	}
	if v.History == nil {
		v.History = []change{}
	}
	switch d.State {
	case Completed:
		if json.Valid(t.Result) {
			v.Result = t.Result
		}
	case AnalyzeFailed:
		v.Result = mustMarshal(map[string]any{"errors": d.Errors, "more_errors": d.More})
	case Failed:
		if json.Valid(t.Error) {
			v.Result = mustMarshal(map[string]json.RawMessage{"error": t.Error})
		}
	}
	return mustMarshal(v)
}

// mustMarshal marshals what always can be: structs of strings and numbers, and
// JSON that was found valid.
func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(`{}`)
	}
	return b
}
