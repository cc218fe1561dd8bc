package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"skep/compose"
)

// outcome is what came of a file.
type outcome struct {
	failed    error // the others are empty then
	documents []string
	messages  []string // what was said, without places: they move when a line is removed
	external  []compose.Reference
}

// same says whether two conversions gave and said the same.
func (o outcome) same(other outcome) bool {
	return o.failed == nil && other.failed == nil && slices.Equal(o.documents, other.documents) && slices.Equal(o.messages, other.messages)
}

// convertWithSkep is what skep convert -f does, with no variable set.
func convertWithSkep(ctx context.Context, root, file string) outcome {
	path := filepath.Join(root, file)
	data, err := os.ReadFile(path)
	if err != nil {
		return outcome{failed: err}
	}
	out, err := compose.Run(ctx, compose.Request{
		To: compose.FormatKubernetes, Options: compose.Options{Publish: compose.PublishLoadBalancer},
		Input: compose.Input{Files: []compose.Source{{Name: filepath.Base(path), Data: data}}, Dir: filepath.Dir(path)},
	})
	if err != nil {
		return outcome{failed: err}
	}
	o := outcome{documents: documents(string(compose.Stream(out.Files)))}
	for _, f := range out.Result.Findings {
		o.messages = append(o.messages, string(f.Fate)+" "+f.Path+" "+f.Message)
	}
	slices.Sort(o.messages)
	for _, f := range out.Result.Fill {
		o.messages = append(o.messages, "fill "+f.Kind+" "+f.Name+" "+f.Key+" "+f.Reason)
		if f.Key == "" {
			o.external = append(o.external, compose.Reference{Kind: f.Kind, Name: f.Name})
		}
	}
	return o
}
