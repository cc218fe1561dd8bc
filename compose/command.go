package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Connect reaches the Docker Engine at a host, "" for the usual one; done lets go of it.
type Connect func(ctx context.Context, host string) (api API, done func(), err error)

// command is skep convert as it was typed.
type command struct {
	request    Request
	files      []string
	envFiles   []string
	dir        string // of the project
	output     string
	reportFile string
	fromStack  string
	service    string
	all        bool
	dockerHost string
	connect    Connect
	env        []string // of the process
	in         io.Reader
	out, told  io.Writer
}

const convertHelp = `Converts Compose and stack files, or what a Swarm runs, into Kubernetes manifests, a kustomize
base or a Helm chart; and manifests into a stack file (--to compose).

What does not convert as it was meant is told on standard error, with file, line and key.
docs/compose.md says what becomes of each key.`

const convertExamples = `  skep convert -f compose.yaml | kubectl apply -f -
  skep convert -f compose.yaml -f prod.yaml --stack shop -o k8s/ --report html
  skep convert --from-stack shop --to helm -o charts/shop
  skep convert -f manifests.yaml --to compose`

// Command is skep convert. connect is asked for a Docker Engine only where a running stack is converted.
func Command(connect Connect) *cobra.Command {
	k := command{connect: connect}
	c := &cobra.Command{
		Use: "convert [-f FILE]...", Short: "Convert Compose files and running stacks to Kubernetes, and back",
		Long: convertHelp, Example: convertExamples, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			k.in, k.out, k.told, k.env = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), os.Environ()
			return k.run(c.Context())
		},
	}
	f := c.Flags()
	k.request.Flags(f)
	f.StringArrayVarP(&k.files, "file", "f", nil, "file to convert, - for standard input; each is laid over those before it (default: what docker compose takes)")
	f.StringArrayVar(&k.envFiles, "env-file", nil, "file of variables (default: .env of the project); may be repeated")
	f.StringVar(&k.dir, "project-directory", "", "directory that relative paths start at (default: that of the first file)")
	f.StringArrayVar(&k.request.Input.Allow, "allow", nil, "file or directory outside of the project that may be read; may be repeated")
	f.StringVarP(&k.output, "output", "o", "-", "directory to write to, - for standard output")
	f.StringVar(&k.reportFile, "report-file", "", "file for the report (default: in the output directory, else standard error)")
	f.StringVar(&k.fromStack, "from-stack", "", "convert a stack that runs")
	f.StringVar(&k.service, "from-service", "", "convert a service that runs")
	f.BoolVar(&k.all, "all", false, "convert all stacks that run, a directory for each")
	f.StringVar(&k.dockerHost, "docker-host", "", "address of a Docker Engine that manages the Swarm (default: DOCKER_HOST, else the local socket)")
	c.MarkFlagsMutuallyExclusive("file", "from-stack", "from-service", "all")
	for _, flag := range []string{"profile", "env-file", "project-directory", "allow", "stack"} {
		for _, from := range []string{"from-stack", "from-service", "all"} {
			c.MarkFlagsMutuallyExclusive(flag, from)
		}
	}
	return c
}

// run converts, tells, and writes all or nothing.
func (k *command) run(ctx context.Context) error {
	if err := k.check(); err != nil {
		return err
	}
	requests, err := k.requests(ctx)
	if err != nil {
		return err
	}
	files, report := map[string][]byte{}, []byte(nil)
	for i := range requests {
		out, err := Run(ctx, requests[i].Request)
		if out != nil {
			k.tell(requests[i].below, out.Result)
		}
		if err != nil {
			return in(requests[i].below, err)
		}
		for name, data := range out.Files {
			files[path.Join(requests[i].below, name)] = data
		}
		report = out.Report
		if k.all && report != nil {
			files[path.Join(requests[i].below, k.reportName())] = report
		}
	}
	return k.write(files, report)
}

// check finds what flags do not go together before anything is read.
func (k *command) check() error {
	if err := k.request.Check(); err != nil {
		return err
	}
	switch several := k.request.To == FormatKustomize || k.request.To == FormatHelm; {
	case k.output != "-":
	case k.all:
		return errors.New("--all writes a directory for each stack: name one for all of them with -o")
	case several:
		return fmt.Errorf("--to %s writes several files: name a directory with -o", k.request.To)
	}
	if k.reportFile != "" && k.request.Report == "" {
		return errors.New("--report-file needs --report: json, markdown or html")
	}
	if k.reportFile != "" && k.all {
		return errors.New("--all writes a report for each stack into its directory: leave --report-file out")
	}
	return nil
}

// part is one of a command's conversions, and where below the output it goes.
type conversion struct {
	Request
	below string
}

// requests are what is to be converted.
func (k *command) requests(ctx context.Context) ([]conversion, error) {
	if k.fromStack == "" && k.service == "" && !k.all {
		r := k.request
		err := k.input(&r.Input)
		return []conversion{{Request: r}}, err
	}
	api, done, err := k.connect(ctx, k.dockerHost)
	if err != nil {
		return nil, err
	}
	defer done()
	if k.all {
		stacks, err := ExportAll(ctx, api)
		if err == nil && len(stacks) == 0 {
			err = errors.New("the Swarm runs no stack and no service")
		}
		var all []conversion
		for _, s := range stacks {
			r := k.request
			r.Stack = s
			all = append(all, conversion{Request: r, below: label(cmp.Or(s.Name, "default"))})
		}
		return all, err
	}
	r := k.request
	if k.service != "" {
		r.Stack, err = ExportService(ctx, api, k.service)
	} else {
		r.Stack, err = Export(ctx, api, k.fromStack)
	}
	return []conversion{{Request: r}}, err
}

// tell says what a person has to know, on standard error.
func (k *command) tell(below string, r *Result) {
	if text := r.Tell(); text != "" {
		if below != "" {
			text = "stack " + below + ", " + text
		}
		_, _ = io.WriteString(k.told, text)
	}
}

// in says which of several stacks an error is about.
func in(below string, err error) error {
	if below == "" {
		return err
	}
	return fmt.Errorf("stack %s: %w", below, err)
}

// write writes all files, or none.
func (k *command) write(files map[string][]byte, report []byte) error {
	beside := report != nil && !k.all && k.reportFile == ""
	if k.output == "-" {
		if k.request.To == FormatCompose && len(files) > 1 {
			return fmt.Errorf("the stack file comes with %s: name a directory with -o", counted(len(files)-1, "file of data", "files of data"))
		}
		if beside {
			_, _ = k.told.Write(report)
		}
	} else {
		if beside {
			files[k.reportName()] = report
		}
		if err := WriteDir(k.output, files); err != nil {
			return err
		}
	}
	if k.reportFile != "" {
		if err := writeWhole(k.reportFile, report); err != nil {
			return err
		}
	}
	if k.output == "-" {
		_, err := k.out.Write(Stream(files))
		return err
	}
	return nil
}

// reportName is the report's file in an output directory. kubectl apply -f takes all JSON that it finds there, but none
// of directories below.
func (k *command) reportName() string {
	switch k.request.Report {
	case ReportJSON:
		return "report/report.json"
	case ReportMarkdown:
		return "report.md"
	default:
		return "report." + k.request.Report
	}
}

// writeWhole writes a file in one step.
func writeWhole(name string, data []byte) error {
	dir := filepath.Dir(name)
	stage, err := os.CreateTemp(dir, "."+filepath.Base(name)+".skep-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(stage.Name()) }()
	_, err = stage.Write(data)
	if err = errors.Join(err, stage.Chmod(0o644), stage.Close()); err != nil {
		return err
	}
	return os.Rename(stage.Name(), name)
}

// variables are the process's.
func variables(environ []string) map[string]string {
	env := map[string]string{}
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok && name != "" {
			env[name] = value
		}
	}
	return env
}
