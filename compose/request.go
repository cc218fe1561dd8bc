package compose

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"skep/translate"
)

// Request is one conversion, as a command line or an HTTP request asks for it.
type Request struct {
	// Input are the files: Compose files, or manifests that become a stack file. It is not looked at where Stack is given.
	Input Input
	// Stack is one that was read already: one that runs.
	Stack   *Stack
	Options Options
	To      Format
	// Strict makes an error of what is not converted as it was meant.
	Strict bool
	// Report is the format of a migration report; "" for none.
	Report string
}

// Output is what comes of a request.
type Output struct {
	Stack  *Stack
	Result *Result
	Files  map[string][]byte // as Write gives them
	Report []byte            // nil where none was asked for
}

// Flags declares what a request can say about a conversion and no file or machine is needed for: the flags of a command,
// and the parameters of a URL.
func (r *Request) Flags(f *pflag.FlagSet) {
	f.StringVar((*string)(&r.To), "to", string(cmp.Or(r.To, FormatKubernetes)), "what to write: "+formatNames())
	f.StringVar(&r.Input.Name, "stack", r.Input.Name, "name of the stack, as docker stack deploy takes it: also the namespace of all objects (default: the file's own name, and no namespace)")
	f.StringVar(&r.Options.Namespace, "namespace", "", "namespace of all objects (default: the stack's, where --stack names it)")
	f.StringArrayVar(&r.Input.Profiles, "profile", r.Input.Profiles, "profile of Compose that is on; * for all; may be repeated")
	f.StringVar((*string)(&r.Options.Publish), "publish", string(PublishLoadBalancer), "how published ports are reached: loadbalancer, nodeport or ingress")
	f.StringVar(&r.Options.IngressClass, "ingress-class", "", "class of Ingresses (default: the cluster's)")
	f.StringVar(&r.Options.Host, "host", "", "host name of Ingresses that are made of published ports (default: any)")
	f.StringVar(&r.Options.VolumeSize, "volume-size", defaultVolumeSize, "size of claims for volumes, which have none in Docker")
	f.StringVar(&r.Options.StorageClass, "storage-class", "", "storage class of those claims (default: the cluster's)")
	f.BoolVar(&r.Options.NetworkPolicies, "network-policies", false, "let services be reached from their networks only")
	f.BoolVar(&r.Strict, "strict", false, "fail on what is not converted as it was meant")
	f.StringVar(&r.Report, "report", "", "write a migration report: json, markdown or html")
}

// StrictError says that a strict request has findings.
type StrictError struct{ Findings []Finding }

// Error counts them; the findings are told by themselves.
func (e *StrictError) Error() string {
	return fmt.Sprintf("%s not converted as meant, and the conversion is strict", counted(len(e.Findings), "key is", "keys are"))
}

// Run does what a request asks for. With a StrictError there is an Output that holds the findings and no files.
func Run(ctx context.Context, r Request) (*Output, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	out := &Output{}
	var err error
	if out.Stack, err = r.stack(ctx); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.To == FormatCompose && len(out.Stack.Services) == 0 {
		return nil, noService(out.Stack.Findings)
	}
	if out.Result, err = r.convert(out.Stack); err != nil {
		return nil, err
	}
	if r.Report != "" {
		if out.Report, err = Report(out.Result, r.Report); err != nil {
			return nil, err
		}
	}
	if bad := slices.DeleteFunc(slices.Clone(out.Result.Findings), func(f Finding) bool { return f.Fate == Meaningless }); r.Strict && len(bad) > 0 {
		return out, &StrictError{Findings: bad}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out.Files, err = Write(out.Result, out.Stack, r.To)
	return out, err
}

// noService is the error of a stack file that would be empty, with all that says why.
func noService(findings []Finding) error {
	all := []error{errors.New("no service is left for a stack file")}
	for _, f := range findings {
		if f.Fate == Refused {
			all = append(all, errors.New(f.String()))
		}
	}
	return errors.Join(all...)
}

// Check finds what is wrong with a request before anything is read.
func (r *Request) Check() error {
	if !slices.Contains(Formats, r.To) {
		return fmt.Errorf("--to %q: there is %s", r.To, formatNames())
	}
	publish := []Publish{PublishLoadBalancer, PublishNodePort, PublishIngress}
	if !slices.Contains(publish, r.Options.Publish) {
		return fmt.Errorf("--publish %q: there is loadbalancer, nodeport and ingress", r.Options.Publish)
	}
	if r.Report != "" && !slices.Contains([]string{ReportJSON, ReportMarkdown, ReportHTML}, r.Report) {
		return fmt.Errorf("--report %q: there is %s, %s and %s", r.Report, ReportJSON, ReportMarkdown, ReportHTML)
	}
	return checkOptions(&r.Options)
}

// checkOptions finds what an API server would refuse in every object.
func checkOptions(o *Options) error {
	if o.Namespace != "" && len(validation.IsDNS1123Label(o.Namespace)) > 0 {
		return fmt.Errorf("--namespace %q: %s", o.Namespace, validation.IsDNS1123Label(o.Namespace)[0])
	}
	for flag, name := range map[string]string{"storage-class": o.StorageClass, "ingress-class": o.IngressClass, "host": strings.TrimPrefix(o.Host, "*.")} {
		if name != "" && len(validation.IsDNS1123Subdomain(name)) > 0 {
			return fmt.Errorf("--%s %q: %s", flag, name, validation.IsDNS1123Subdomain(name)[0])
		}
	}
	if o.VolumeSize != "" {
		if size, err := resource.ParseQuantity(o.VolumeSize); err != nil || size.Sign() <= 0 {
			return fmt.Errorf("--volume-size %q is no size: a number with a unit, such as 1Gi", o.VolumeSize)
		}
	}
	return nil
}

// stack is the stack that a request is about.
func (r *Request) stack(ctx context.Context) (*Stack, error) {
	if r.Stack != nil {
		return r.Stack, nil
	}
	switch are, err := manifestsIn(r.Input.Files); {
	case err != nil:
		return nil, err
	case are && r.To != FormatCompose:
		return nil, fmt.Errorf("%s: these are manifests of Kubernetes already; --to compose makes a stack file of them", r.Input.Files[0].Name)
	case are:
		return Read(r.Input.Files)
	}
	return Load(ctx, r.Input)
}

// manifestKeys are what every manifest has at the beginning of a line, and no Compose file.
var manifestKeys = []*regexp.Regexp{regexp.MustCompile(`(?m)^["']?apiVersion["']?\s*:`), regexp.MustCompile(`(?m)^["']?kind["']?\s*:`)}

// isManifest says whether a file is of manifests, by its text.
func isManifest(data []byte) bool {
	if strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		var head struct{ APIVersion, Kind string }
		return json.Unmarshal(data, &head) == nil && head.APIVersion != "" && head.Kind != ""
	}
	return manifestKeys[0].Match(data) && manifestKeys[1].Match(data)
}

// manifestsIn says whether files are manifests. What is wrong with them otherwise is for those to say who read them.
func manifestsIn(files []Source) (bool, error) {
	count := 0
	for _, f := range files {
		if isManifest(f.Data) {
			count++
		}
	}
	if count > 0 && count < len(files) {
		return false, errors.New("some of the files are manifests of Kubernetes and some are not: convert them one kind at a time")
	}
	return count > 0, nil
}

// convert makes the objects, unless a stack file is all that is asked for.
func (r *Request) convert(s *Stack) (*Result, error) {
	if r.To == FormatCompose {
		return &Result{Name: s.Name, Findings: s.Findings, Fill: fillFiles(s)}, nil
	}
	o := r.Options
	if name := cmp.Or(r.Input.Name, stackName(r.Stack)); o.Namespace == "" && name != "" {
		o.Namespace = translate.DNSName(name)
	}
	if o.Project == nil && r.Input.Dir != "" {
		o.Project = OpenProject(r.Input.Dir, r.Input.Allow)
	}
	return Convert(s, o)
}

// stackName is the name of a stack that runs; "" for none.
func stackName(s *Stack) string {
	if s == nil {
		return ""
	}
	return s.Name
}

// fillFiles are the secrets whose data belongs into files beside a stack file.
func fillFiles(s *Stack) []Fill {
	var all []Fill
	for _, f := range s.Secrets {
		if f.Unknown && !f.External && f.Driver == "" && s.placeholder("secrets", f.Key) {
			all = append(all, Fill{Kind: "secret", Name: f.Key, Key: dataPath("secrets", f.Key), Reason: "a Swarm gives no secret's data back: put it into this file"})
		}
	}
	return all
}

// Tell is what a person has to know of a result, as text: what there is to decide and to fill in first, what needs no
// attention last, and a line that sums it up. "" where there is nothing to say.
func (r *Result) Tell() string {
	var b strings.Builder
	group := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "%s:\n%s\n", title, strings.Join(lines, "\n"))
		}
	}
	decide := r.pick(func(f Finding) bool { return f.Decide })
	refused := r.pick(func(f Finding) bool { return !f.Decide && f.Fate == Refused })
	approximated := r.pick(func(f Finding) bool { return !f.Decide && f.Fate == Approximated })
	group("to decide", decide)
	var fill []string
	for _, f := range r.Fill {
		fill = append(fill, Reference{f.Kind, f.Namespace, f.Name, f.Key}.String()+": "+f.Reason)
	}
	group("to fill in", fill)
	group("not converted", refused)
	group("converted to the nearest that there is", approximated)
	group("without a meaning in a cluster", r.pick(func(f Finding) bool { return !f.Decide && f.Fate == Meaningless }))
	if b.Len() == 0 {
		return ""
	}
	if len(r.Objects) > 0 {
		fmt.Fprintf(&b, "%s; ", counted(len(r.Objects), "object", "objects"))
	}
	fmt.Fprintf(&b, "%s a hand, %s\n",
		counted(len(refused)+len(approximated)+len(fill), "key needs", "keys need"), counted(len(decide), "decision", "decisions"))
	return b.String()
}

// pick are some findings as lines.
func (r *Result) pick(which func(Finding) bool) []string {
	var lines []string
	for _, f := range r.Findings {
		if which(f) {
			lines = append(lines, f.String())
		}
	}
	return lines
}
