package server

import (
	"hansard/internal/importer"
	"hansard/internal/store"
	"hansard/internal/task"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

func (s *Server) createImportURL(r *Request) (Answer, error) {
	var filename string
	err := wire.Object(r.Body, func(name string, v jsontext.Value, at int64) (err error) {
		if name == "filename" {
			filename, err = wire.String(name, v, at)
		}
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	if filename == "" {
		return Answer{}, wire.BadField("filename", "is required")
	}
	url, path, err := s.opts.Imports.CreateURL(r.Context(), r.App, filename)
	if err != nil {
		return Answer{}, err
	}
	body := wire.AppendString([]byte(`{"upload_url":`), url)
	body = wire.AppendString(append(body, `,"path":`...), path)
	return Answer{Body: append(body, '}')}, nil
}

func (s *Server) createImport(r *Request) (Answer, error) {
	path, mode, merge := "", "upsert", false
	err := wire.Object(r.Body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "path":
			path, err = wire.String(name, v, at)
		case "mode":
			mode, err = wire.String(name, v, at)
		case "merge_custom":
			merge, err = wire.Bool(name, v, at)
		}
		return err
	})
	switch {
	case err != nil:
		return Answer{}, err
	case path == "":
		return Answer{}, wire.BadField("path", "is required")
	case mode != "upsert" && mode != "insert":
		return Answer{}, wire.BadField("mode", "must be upsert or insert")
	}
	id, err := s.opts.Imports.Create(r.Context(), r.App, path, mode, merge)
	if err != nil {
		return Answer{}, err
	}
	s.enqueued()
	t, err := s.task(r, id)
	if err != nil {
		return Answer{}, err
	}
	return answerImport(t), nil
}

func (s *Server) getImport(r *Request) (Answer, error) {
	t, err := s.task(r, r.Path("id"))
	if err != nil {
		return Answer{}, err
	}
	if t.Kind != task.Import {
		return Answer{}, errNoTask()
	}
	return answerImport(t), nil
}

func (s *Server) listImports(r *Request) (Answer, error) {
	tasks, err := s.tasks(r, store.TaskQuery{App: r.App.ID, Kind: task.Import})
	if err != nil {
		return Answer{}, err
	}
	body := []byte(`{"import_tasks":[`)
	for i := range tasks {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, importer.View(tasks[i])...)
	}
	return Answer{Body: append(body, `]}`...)}, nil
}

func answerImport(t *store.Task) Answer {
	body := append([]byte(`{"import_task":`), importer.View(*t)...)
	return Answer{Body: append(body, '}')}
}
