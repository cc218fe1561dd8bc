package compose

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	docFile     = "../docs/compose.md"
	komposeFile = "testdata/kompose.json"
)

const docHead = `<!-- Made from the table in compose/fates*.go by: go test ./compose -run Doc -update -->
# Compose and stack files, and Kubernetes

![From Compose to Kubernetes, through a Swarm, and back](convert.svg)

` + "`skep convert`" + ` makes Kubernetes manifests of Compose and stack files and of stacks that run, and stack files of manifests.

    skep convert -f compose.yaml --stack shop | kubectl apply -f -
    skep convert -f compose.yaml -f prod.yaml -o k8s --report html    # an object a file, and a report for whoever decides
    skep convert -f compose.yaml --to helm -o chart                   # or kustomize
    skep convert --from-stack shop -o k8s                             # what a Swarm runs; --from-service, --all
    skep convert -f manifests.yaml --to compose                       # and back

Files of every version are read, as docker compose and docker stack deploy read them: several with -f, the later over the
earlier, with variables, profiles, ` + "`extends` and `include`" + `. Nothing is read but the project's directory and what ` + "`--allow`" + ` names: no
file of the machine that converts ends up in the result, and the same input gives the same bytes anywhere.

What comes of a file is told on standard error, with file, line and key; ` + "`--strict`" + ` makes everything that is told an
error. ` + "`--report json|markdown|html`" + ` writes the same as a page: what converts, what needs a hand, what somebody has to decide,
and never a secret. Without ` + "`--stack` or `--namespace`" + ` objects have no namespace, and go where they are applied. What only a
person knows are options: ` + "`--publish`, `--ingress-class`, `--host`, `--volume-size`, `--storage-class`, `--network-policies`" + `.

The gateway does the same at ` + "`POST /convert`" + `, for the files of the request alone.

## What becomes of a service

| In the file | In Kubernetes |
|---|---|
| a service | a Deployment, and a Service of its name on the ports that its containers listen on, published or not |
| with a named volume | a StatefulSet, and a PersistentVolumeClaim a volume |
| ` + "`mode: global`" + ` | a DaemonSet |
| a job, a service that is not restarted | a Job; by the clock a CronJob |
| published ports | a second Service, ` + "`<name>-published`" + `: a LoadBalancer, or with ` + "`--publish`" + ` a NodePort or an Ingress |
| Traefik's labels | an Ingress |
| a config, a secret | a ConfigMap, a Secret, mounted file by file |
| a healthcheck | both probes |

Names become DNS labels, and who would have the same gets another. The annotation ` + "`skep/from`" + ` says which key an object
came from. What only a Swarm knows is kept in ` + "`skep/swarm-spec`" + `: a cluster passes over it, and skep gives it back to a Swarm.

## What becomes of every key

- **mapped**: a field means the same.
- **approximated**: the nearest that Kubernetes has; it is told what differs.
- **refused**: Kubernetes has nothing for it; it is told what to do instead, and the rest is converted.
- **meaningless**: it says nothing to a cluster; told once for the whole file.

A row holds for all that is below its key, unless keys below it have rows of their own. ` + "`*`" + ` stands for a name that the
file's author chose, ` + "`[]`" + ` for the items of a list; short forms are as their long ones. Of several rows for one key the first that
fits decides. What is said of services holds for jobs and for ` + "`pre_start`" + `, too. ` + "`Pod`" + ` is the Pod template of whatever kind runs it,
and a row that names a Deployment holds for the other kinds that run something. *Decide* marks what somebody has to do before the objects are any use.
`

// documentation is docs/compose.md.
func documentation(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(docHead)
	counts := map[Fate]int{}
	for _, group := range keyFates() {
		b.WriteString("\n### " + group.title + "\n")
		if group.note != "" {
			b.WriteString("\n" + group.note + "\n")
		}
		b.WriteString("\n| Key | Fate | Kubernetes | What differs |\n|---|---|---|---|\n")
		for _, row := range group.rows {
			counts[row.fate]++
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", docKey(&row), docFate(&row), docFields(&row), docReason(&row))
		}
	}
	fmt.Fprintf(&b, "\n%d rows are mapped, %d approximated, %d refused and %d meaningless.\n", counts[Mapped], counts[Approximated], counts[Refused], counts[Meaningless])
	docDifferences(&b)
	docKompose(t, &b)
	return b.String()
}

func docKey(row *keyFate) string {
	key := "`" + row.path + "`"
	if row.when != nil {
		key += ": " + row.when.text
	}
	return key
}

func docFate(row *keyFate) string {
	if row.decide {
		return string(row.fate) + ", *decide*"
	}
	return string(row.fate)
}

func docFields(row *keyFate) string {
	var all []string
	for _, field := range row.fields() {
		all = append(all, "`"+field+"`")
	}
	return strings.Join(all, "<br>")
}

func docReason(row *keyFate) string {
	text := strings.ReplaceAll(row.reason, "|", `\|`)
	if row.kept {
		text = strings.TrimPrefix(text+"; kept in `skep/swarm-spec`", "; ")
	}
	return text
}

// docDifferences are where a Swarm holds something else by way of Kubernetes, and why.
func docDifferences(b *strings.Builder) {
	b.WriteString(`
## docker stack deploy, and the same file through skep

What a Swarm holds after ` + "`docker stack deploy S`" + ` is what it holds after ` + "`skep convert -f S --stack S | kubectl apply -f -`" + `
against skep, the labels apart by which each keeps its books. These keys make a difference:

| Key | Docker | By way of Kubernetes |
|---|---|---|
`)
	for _, row := range differing() {
		if row.swarm == swarmIgnores || row.swarm == swarmRefuses {
			continue
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", docKey(row), row.swarm, docReason(row))
	}
	for _, part := range []struct{ swarm, text string }{
		{swarmIgnores, "docker stack deploy reads these and does nothing with them; a Swarm has them by way of skep where Kubernetes has a field for them"},
		{swarmRefuses, "docker stack deploy refuses a file that has these"},
	} {
		var keys []string
		for _, row := range differing() {
			if key := "`" + row.path + "`"; row.swarm == part.swarm && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
		fmt.Fprintf(b, "\n%s: %s.\n", strings.ToUpper(part.text[:1])+part.text[1:], strings.Join(keys, ", "))
	}
}

func differing() []*keyFate {
	var all []*keyFate
	for _, group := range keyFates() {
		for i := range group.rows {
			if row := &group.rows[i]; row.swarm != "" {
				all = append(all, row)
			}
		}
	}
	return all
}

// docKompose is the comparison with kompose, as it was last measured.
func docKompose(t *testing.T, b *strings.Builder) {
	t.Helper()
	doc, err := os.ReadFile(komposeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var measured struct {
		Kompose, Date string
		Files         int
		Rows          []struct{ What, Skep, Kompose string }
	}
	if err != nil || json.Unmarshal(doc, &measured) != nil {
		t.Fatalf("%s: %v", komposeFile, err)
	}
	fmt.Fprintf(b, "\n## Beside kompose\n\n%d files of public repositories, kompose %s, %s:\n\n| | skep | kompose |\n|---|---|---|\n", measured.Files, measured.Kompose, measured.Date)
	for _, row := range measured.Rows {
		fmt.Fprintf(b, "| %s | %s | %s |\n", row.What, row.Skep, row.Kompose)
	}
}

// TestDoc: docs/compose.md says what the table says.
func TestDoc(t *testing.T) {
	want := documentation(t)
	if *updateGolden {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is stale: go test ./compose -run Doc -update", docFile)
	}
}
