package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// komposeVersion is the release that skep is compared with.
const komposeVersion = "v1.38.0"

// kompose is its program.
type kompose struct{ program string }

// buildKompose builds it from its module into a directory. It cannot be installed by its path: its go.mod replaces.
func buildKompose(ctx context.Context, dir string) (*kompose, error) {
	load := exec.CommandContext(ctx, "go", "mod", "download", "-json", "github.com/kubernetes/kompose@"+komposeVersion)
	load.Dir = dir
	out, err := load.Output()
	if err != nil {
		return nil, fmt.Errorf("download kompose: %w", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	k := &kompose{program: filepath.Join(dir, "kompose")}
	build := exec.CommandContext(ctx, "go", "build", "-C", module.Dir, "-o", k.program, ".")
	build.Stderr = os.Stderr
	return k, build.Run()
}

// perFile is how long a conversion may take.
const perFile = 30 * time.Second

// convert runs it on a file, where the file is.
func (k *kompose) convert(ctx context.Context, root, file string) outcome {
	path := filepath.Join(root, file)
	ctx, cancel := context.WithTimeout(ctx, perFile)
	defer cancel()
	run := exec.CommandContext(ctx, k.program, "convert", "--stdout", "-f", filepath.Base(path))
	run.Dir = filepath.Dir(path)
	run.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + os.TempDir()}
	var stdout, stderr bytes.Buffer
	run.Stdout, run.Stderr = &stdout, &stderr
	if err := run.Run(); err != nil {
		return outcome{failed: errors.Join(err, errors.New(stderr.String()))}
	}
	return outcome{documents: documents(strings.ReplaceAll(stdout.String(), root, "")), messages: messages(strings.ReplaceAll(stderr.String(), root, ""))}
}

// documents are those of a stream, in an order of their own: neither program promises one.
func documents(stream string) []string {
	var all []string
	for doc := range strings.SplitSeq("\n"+stream, "\n---") {
		if strings.TrimSpace(doc) != "" {
			all = append(all, strings.TrimSpace(doc))
		}
	}
	slices.Sort(all)
	return all
}

// logTime is when a line was logged, in both of logrus' forms.
var logTime = regexp.MustCompile(`time="[^"]*" ?|\[\d+\] ?`)

// messages are what was logged, but for when.
func messages(log string) []string {
	var all []string
	for line := range strings.Lines(log) {
		all = append(all, strings.TrimSpace(logTime.ReplaceAllString(line, "")))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
