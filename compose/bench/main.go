package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what the comparison is run with.
type options struct {
	stacks  string // the files, below a directory
	out     string // where the table goes
	program string // skep, for the time that it takes; "" leaves that row out
	list    string // where the keys go that make no difference; "" for nowhere
}

func main() {
	var o options
	flag.StringVar(&o.stacks, "stacks", "", "directory of Compose files")
	flag.StringVar(&o.out, "out", "kompose.json", "file for the table")
	flag.StringVar(&o.program, "skep", "", "skep, to measure the time that it takes")
	flag.StringVar(&o.list, "list", "", "file for the keys that make no difference, of each program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, o); err != nil {
		log.Fatal(err)
	}
}

// side is one of the two programs, and what came of its conversions.
type side struct {
	name                string
	convert             converter
	timed               func(path string) *exec.Cmd
	converted, unstable int
	counts
	took    time.Duration
	dropped []string // keys
}

func compare(ctx context.Context, o options) error {
	work, err := os.MkdirTemp("", "skep-kompose-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	k, err := buildKompose(ctx, work)
	if err != nil {
		return err
	}
	var roots []string
	for i := range 2 {
		roots = append(roots, filepath.Join(work, strconv.Itoa(i)))
		if err := os.CopyFS(roots[i], os.DirFS(o.stacks)); err != nil {
			return err
		}
	}
	files, err := composeFiles(roots[0])
	if err != nil {
		return err
	}
	skep := &side{name: "skep", convert: convertWithSkep}
	other := &side{name: "kompose", convert: k.convert, timed: func(path string) *exec.Cmd {
		return exec.CommandContext(ctx, k.program, "convert", "--stdout", "-f", path)
	}}
	if o.program != "" {
		skep.timed = func(path string) *exec.Cmd { return exec.CommandContext(ctx, o.program, "convert", "-f", path) }
	}
	both, keys := 0, 0
	for _, file := range files {
		n, err := one(ctx, roots, file, skep, other)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if n > 0 {
			both++
			keys += n
		}
	}
	if o.list != "" {
		if err := os.WriteFile(o.list, fmt.Appendf(nil, "skep\n%s\n\nkompose\n%s\n", strings.Join(skep.dropped, "\n"), strings.Join(other.dropped, "\n")), 0o600); err != nil {
			return err
		}
	}
	return save(o.out, table(len(files), both, keys, skep, other))
}

// service is what a Compose file has at least.
var service = regexp.MustCompile(`(?m)^ +(image|build|extends)\s*:`)

// composeFiles are the Compose files below a directory, the configuration of programs that lies beside them left out.
func composeFiles(root string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".yml", ".yaml"}, filepath.Ext(path)) {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && service.Match(data) {
			below, _ := filepath.Rel(root, path) // it is below
			all = append(all, below)
		}
		return err
	})
	return all, err
}

// one compares a file, and returns how many keys were probed: none where one of the two does not convert it.
func one(ctx context.Context, roots []string, file string, sides ...*side) (int, error) {
	at := filepath.Join(roots[0], file)
	original, err := os.ReadFile(at)
	if err != nil {
		return 0, err
	}
	good := 0
	for _, s := range sides {
		first := s.convert(ctx, roots[0], file)
		if first.failed != nil {
			log.Printf("%s: %s: %v", s.name, file, first.failed)
			continue
		}
		good++
		s.converted++
		s.add(first)
		if !slices.Equal(s.convert(ctx, roots[0], file).documents, first.documents) {
			s.unstable++
		}
		if s.timed != nil {
			s.took += took(s.timed(at))
		}
	}
	if good < len(sides) {
		return 0, nil
	}
	text, all, err := probes(original)
	if err != nil {
		return 0, nil //nolint:nilerr // several documents, or what only a Compose reader understands
	}
	for _, root := range roots {
		if err := os.WriteFile(filepath.Join(root, file), text, 0o600); err != nil {
			return 0, err
		}
	}
	for _, s := range sides {
		dropped, err := silent(ctx, roots, file, all, s.convert(ctx, roots[0], file), s.convert)
		if err != nil {
			return 0, err
		}
		for _, key := range dropped {
			s.dropped = append(s.dropped, file+": "+key)
		}
	}
	return len(all), os.WriteFile(at, original, 0o600)
}

// took is how long a program runs.
func took(run *exec.Cmd) time.Duration {
	run.Dir = filepath.Dir(run.Args[len(run.Args)-1])
	began := time.Now()
	_ = run.Run() // it ran before
	return time.Since(began)
}

// comparison is what docs/compose.md shows.
type comparison struct {
	Kompose string `json:"kompose"`
	Date    string `json:"date"`
	Files   int    `json:"files"`
	Rows    []row  `json:"rows"`
}

type row struct {
	What    string `json:"what"`
	Skep    string `json:"skep"`
	Kompose string `json:"kompose"`
}

func table(files, both, keys int, skep, other *side) *comparison {
	c := &comparison{Kompose: komposeVersion, Date: time.Now().UTC().Format(time.DateOnly), Files: files}
	add := func(what string, figure func(s *side) string) {
		c.Rows = append(c.Rows, row{what, figure(skep), figure(other)})
	}
	number := func(of func(s *side) int) func(*side) string {
		return func(s *side) string { return strconv.Itoa(of(s)) }
	}
	add("files converted, no variable set", number(func(s *side) int { return s.converted }))
	add("objects", number(func(s *side) int { return s.objects }))
	add("objects that an API server refuses", number(func(s *side) int { return s.invalid }))
	add("files with such an object", number(func(s *side) int { return s.spoiled }))
	add("references to what there is not", number(func(s *side) int { return s.dangling }))
	add("Ingresses", number(func(s *side) int { return s.ingresses }))
	add("files that a second run writes differently", number(func(s *side) int { return s.unstable }))
	add(fmt.Sprintf("keys that change nothing and are not spoken of, of %d in the %d files that both convert (Docker's defaults, written out, are among them)", keys, both), func(s *side) string {
		return fmt.Sprintf("%d (%.1f %%)", len(s.dropped), 100*float64(len(s.dropped))/float64(max(keys, 1)))
	})
	if skep.timed != nil {
		add("time for a file, start of the program included", func(s *side) string {
			return (s.took / time.Duration(max(s.converted, 1))).Round(time.Millisecond).String()
		})
	}
	return c
}

func save(name string, c *comparison) error {
	out, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(out, '\n'), 0o644)
}
