package compose

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// lawRow explains a difference between what docker stack deploy makes of a file, and what skep makes of the file's
// conversion.
type lawRow struct {
	path string // a pattern for the whole path in the spec, without the numbers of items; of a service that is gone ""
	text string // a pattern in what the difference is
	key  string // the row of the table of keys that tells of it; the service, or the file, has such a key
}

const (
	mountPaths = `TaskTemplate\.ContainerSpec\.Mounts\[\]`
	placePath  = `TaskTemplate\.Placement\.Constraints(\[\])?`
)

var lawRows = []lawRow{
	// What docker stack deploy does not hear of.
	{"", `initContainers`, "services.*.depends_on"},
	{"", `privileged`, "services.*.privileged"},
	{"", `hostPID`, "services.*.pid"},
	{"", `runtimeClassName`, "services.*.runtime"},
	{`TaskTemplate\.Networks`, `node's own network`, "services.*.network_mode"},
	{`TaskTemplate\.Networks`, ``, "services.*.links"}, // of another service
	{`TaskTemplate\.ContainerSpec\.Privileges\.NoNewPrivileges`, `true`, "services.*.security_opt"},
	{`Mode\.Replicated(Job)?`, ``, "services.*.restart"},
	{`TaskTemplate\.RestartPolicy(\.Condition)?`, `"(none|on-failure)"`, "services.*.restart"},
	{`TaskTemplate\.ContainerSpec\.Image`, `was null`, "services.*.build"},
	{"", `^it$`, "jobs.*"},
	// What a Swarm does, and Kubernetes cannot.
	{"", `subPath`, "services.*.volumes"},
	{`TaskTemplate\.ContainerSpec\.Hostname`, `was "[a-z0-9-]+{{\.Task\.Slot}}"`, "services.*.hostname"}, // as a StatefulSet's Pods are named
	{`TaskTemplate\.ContainerSpec\.Configs\..*`, ` 0:0 `, "services.*.configs"},
	{`TaskTemplate\.ContainerSpec\.Secrets\..*`, ` 0:0 `, "services.*.secrets"},
	{`TaskTemplate\.Networks`, `was .*[a-z]\.[a-z]`, "services.*.networks"},
	{`TaskTemplate\.RestartPolicy`, `^{"Condition":"on-failure"}`, "services.*.deploy.mode"},
	{`TaskTemplate\.Placement\.MaxReplicas`, `^1, was null`, "services.*.deploy.mode"},
	{mountPaths + `\.(Source|VolumeOptions)`, `{{`, "volumes.*.name"},
	{mountPaths + `\.Type`, `was "cluster"`, "services.*.volumes"},
	{mountPaths + `\.Source`, `was "group:`, "services.*.volumes"},
	{mountPaths + `\.VolumeOptions`, `^{"Labels".*, was null`, "services.*.volumes"}, // a volume of the Swarm, too
	{`Mode\.Replicated(Job)?`, ``, "services.*.deploy.restart_policy.condition"},
	{mountPaths + `\.Source`, `was "[.~]`, "services.*.volumes"},
	{mountPaths + `\.VolumeOptions`, `^{"NoCopy":true}, was null`, "services.*.volumes"},
	{mountPaths + `\.VolumeOptions\.DriverConfig`, `^null`, "volumes.*.driver"},
	{mountPaths + `\.(Type|Source|VolumeOptions|TmpfsOptions)`, `^("tmpfs"|null|{"SizeBytes")`, "volumes.*.driver_opts"},
	{`TaskTemplate\.ContainerSpec\.Env`, ``, "services.*.environment"},
	{placePath, `==("|,|\])`, "services.*.deploy.placement.constraints"},
}

// The law, in memory: a stack converted to Kubernetes and read back as skep would run it is the stack.
func TestLaw(t *testing.T) {
	tried, met, paths := 0, make([]int, len(lawRows)), map[string]int{}
	for _, path := range filesToTry(t) {
		loaded, err := loadFile(t, path)
		if err != nil {
			continue // told by the tests of Load
		}
		tried++
		t.Run(path, func(t *testing.T) {
			for _, d := range lawDifferences(t, loaded) {
				i := slices.IndexFunc(lawRows, func(row lawRow) bool { return row.explains(d, loaded.Model) })
				if i < 0 {
					paths[d.path]++
					t.Errorf("%s: %s", d.service, d.text)
					continue
				}
				met[i]++
			}
		})
	}
	for _, path := range sortedKeys(paths) {
		t.Logf("%4d %s", paths[path], path)
	}
	for i, row := range lawRows {
		t.Logf("%4d by %s %s", met[i], row.key, row.path)
	}
	if tried < 10 {
		t.Errorf("only %d files were tried", tried)
	}
	t.Logf("%d files", tried)
}

// Every row of the law stands in the table of keys.
func TestLawRowsAreTold(t *testing.T) {
	for _, row := range lawRows {
		found := false
		for _, group := range keyFates() {
			found = found || slices.ContainsFunc(group.rows, func(f keyFate) bool {
				rest, ok := strings.CutPrefix(f.path, row.key)
				return ok && (rest == "" || strings.ContainsRune(".[", rune(rest[0]))) && f.swarm+f.reason != ""
			})
		}
		if !found {
			t.Errorf("no row of the table of keys tells of %s", row.key)
		}
	}
}

// explains says whether the row is about a difference, and the file has the key.
func (row lawRow) explains(d lawDifference, model map[string]any) bool {
	_, text, _ := strings.Cut(d.text, ": ")
	if !regexp.MustCompile(`^(?:`+row.path+`)$`).MatchString(d.path) || !regexp.MustCompile(row.text).MatchString(text) {
		return false
	}
	key := row.key
	switch rest, ok := strings.CutPrefix(key, "services.*."); {
	case rest == "links": // of whoever calls it
	case rest == "build": // or what can be deployed only together with another file that has the image
		return d.service != ""
	case ok:
		section := "services"
		jobs, _ := model["jobs"].(map[string]any)
		if _, job := jobs[d.service]; job {
			section = "jobs"
		}
		return hasKey(model, append([]string{section, d.service}, strings.Split(rest, ".")...))
	}
	return hasKey(model, strings.Split(key, "."))
}

// hasKey says whether a model has a key; a star is any.
func hasKey(model any, path []string) bool {
	m, ok := model.(map[string]any)
	if len(path) == 0 {
		return true
	}
	if path[0] == "*" {
		for _, value := range m {
			if hasKey(value, path[1:]) {
				return true
			}
		}
		return false
	}
	value, has := m[path[0]]
	return ok && has && hasKey(value, path[1:])
}

func loadFile(t *testing.T, path string) (*Stack, error) {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Load(t.Context(), Input{Files: []Source{{Name: path, Data: doc}}, Dir: filepath.Dir(path), Name: "shop"})
}

type lawDifference struct{ service, path, text string }

// lawDifferences takes a stack to Kubernetes and back.
func lawDifferences(t *testing.T, loaded *Stack) []lawDifference {
	t.Helper()
	result, err := Convert(loaded, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	var manifests []Source
	for _, o := range result.Objects {
		doc, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		manifests = append(manifests, Source{Name: o.GetName(), Data: doc})
	}
	if len(manifests) == 0 {
		return nil
	}
	back, err := Read(manifests)
	if err != nil {
		t.Fatal(err)
	}
	var out []lawDifference
	for i := range loaded.Services {
		s := &loaded.Services[i]
		now := back.Service(s.Key)
		if now == nil {
			text := "gone: it"
			for _, f := range back.Findings {
				if f.Service == s.Key && f.Fate == Refused {
					text += ": " + f.Message
				}
			}
			out = append(out, lawDifference{s.Key, "", text})
			continue
		}
		for _, d := range differences("", lawTree(t, loaded, s.Spec), lawTree(t, back, now.Spec)) {
			at, _, _ := strings.Cut(d, ": ")
			out = append(out, lawDifference{s.Key, itemNumber.ReplaceAllString(at, "[]"), d})
		}
	}
	return out
}

var itemNumber = regexp.MustCompile(`\[\d+\]`)

// lawTree is a spec without the bookkeeping of labels, with the data of files in place of their names, and with the names
// by which a service is called in place of its networks.
func lawTree(t *testing.T, s *Stack, spec swarm.ServiceSpec) any {
	t.Helper()
	tree, ok := plainSpec(t, spec).(map[string]any)
	if !ok {
		t.Fatal("no spec")
	}
	task := tree["TaskTemplate"].(map[string]any)
	lawSame(task)
	c := task["ContainerSpec"].(map[string]any)
	for _, of := range []map[string]any{tree, c} {
		labels, _ := of["Labels"].(map[string]any)
		delete(labels, stackNameLabel)
		delete(labels, stackImageLabel)
		if len(labels) == 0 {
			delete(of, "Labels")
		}
	}
	names := map[string]bool{}
	for _, n := range spec.TaskTemplate.Networks {
		if n.Target == "host" {
			names["the node's own network"] = true
		}
		for _, alias := range n.Aliases {
			names[alias] = true
		}
	}
	task["Networks"] = strings.Join(sortedKeys(names), " ")
	c["Configs"], c["Secrets"] = lawFiles(c["Configs"], s.Configs, "ConfigName"), lawFiles(c["Secrets"], s.Secrets, "SecretName")
	return pruned(tree)
}

// lawSame takes away what makes no difference to a Swarm: its defaults where they are said, blanks, slashes at the end.
func lawSame(task map[string]any) {
	c := task["ContainerSpec"].(map[string]any)
	same := func(of map[string]any, key string, value any) {
		if fmt.Sprint(of[key]) == fmt.Sprint(value) {
			delete(of, key)
		}
	}
	same(c, "StopGracePeriod", float64(10*time.Second)) // api/defaults/service.go of SwarmKit, as are the next
	if policy, ok := task["RestartPolicy"].(map[string]any); ok {
		same(policy, "Delay", float64(5*time.Second))
		same(policy, "MaxAttempts", 0)
		same(policy, "Condition", "any")
	}
	if h, ok := c["Healthcheck"].(map[string]any); ok && h["Test"] != nil { // moby, daemon/health.go
		same(h, "Interval", float64(30*time.Second))
		same(h, "Timeout", float64(30*time.Second))
		same(h, "Retries", 3)
	}
	placement, _ := task["Placement"].(map[string]any)
	constraints, _ := placement["Constraints"].([]any)
	for i, c := range constraints {
		text := strings.Join(strings.Fields(c.(string)), "")
		if rest, ok := strings.CutPrefix(strings.ToLower(text), "node.labels."); ok {
			text = "node.labels." + text[len(text)-len(rest):]
		}
		if text == "node.role==worker" { // there are two roles
			text = "node.role!=manager"
		}
		constraints[i] = text
	}
	slices.SortFunc(constraints, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	mounts, _ := c["Mounts"].([]any)
	for _, m := range mounts {
		if o, ok := m.(map[string]any)["VolumeOptions"].(map[string]any); ok {
			if d, ok := o["DriverConfig"].(map[string]any); ok && d["Name"] == "local" {
				delete(d, "Name")
			}
		}
		for _, key := range []string{"Source", "Target"} {
			if text, ok := m.(map[string]any)[key].(string); ok && strings.HasPrefix(text, "/") {
				m.(map[string]any)[key] = filepath.Clean(text)
			}
		}
	}
	slices.SortFunc(mounts, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["Target"].(string), b.(map[string]any)["Target"].(string))
	})
}

// lawFiles are files by their places.
func lawFiles(refs any, files []File, nameKey string) any {
	out := map[string]any{}
	list, _ := refs.([]any)
	for _, ref := range list {
		m := ref.(map[string]any)
		name, _ := m[nameKey].(string)
		data := "of " + name
		for _, f := range files {
			if f.Name == name && !f.External && !f.Unknown {
				data = string(f.Data)
			} else if f.Name == name && !f.External {
				data = placeholder
			}
		}
		file, _ := m["File"].(map[string]any)
		target := fmt.Sprint(file["Name"])
		if !filepath.IsAbs(target) {
			target = filepath.Join(map[bool]string{true: "/run/secrets", false: "/"}[nameKey == "SecretName"], target)
		}
		out[target] = fmt.Sprint(data, " ", file["UID"], ":", file["GID"], " ", file["Mode"])
	}
	return out
}
