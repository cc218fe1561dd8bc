package translate

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"
)

// hashes are labels that a reader has no use for: digests of what stands beside them.
var hashes = []string{LabelSeen, LabelSpec}

// defaulted is what the API server fills in and a reader knows.
var defaulted = map[string]string{
	"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
	"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "securityContext": "map[]", "resources": "map[]",
	"progressDeadlineSeconds": "600", "revisionHistoryLimit": "10", "terminationGracePeriodSeconds": "30",
}

// brief leaves out what is defaulted.
func brief(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if known, ok := defaulted[key]; ok && fmt.Sprint(value) == known {
				delete(v, key)
			} else {
				v[key] = brief(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = brief(v[i])
		}
	}
	return v
}

// readable is a Swarm spec with the JSON in its labels unfolded and without digests.
func readable(t *testing.T, spec any) map[string]any {
	t.Helper()
	plain, _ := prune(spec).(map[string]any)
	if data, ok := plain["Data"].(string); ok {
		text, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		plain["Data"] = string(text)
	}
	if s, ok := spec.(*swarm.ServiceSpec); ok && s.Mode.Replicated != nil {
		plain["Mode"] = map[string]any{"Replicated": map[string]any{"Replicas": s.Mode.Replicated.Replicas}}
	}
	if s, ok := spec.(*swarm.ServiceSpec); ok && s.Mode.Global != nil {
		plain["Mode"] = map[string]any{"Global": map[string]any{}}
	}
	labels, _ := plain["Labels"].(map[string]any)
	for key, value := range labels {
		text, _ := value.(string)
		var doc any
		if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &doc) == nil {
			labels[key] = brief(doc)
		}
	}
	task, _ := plain["TaskTemplate"].(map[string]any)
	container, _ := task["ContainerSpec"].(map[string]any)
	inner, _ := container["Labels"].(map[string]any)
	for _, key := range hashes {
		delete(labels, key)
		delete(inner, key)
	}
	return plain
}

// readableData is what a config or secret holds: a document as YAML, anything else quoted.
func readableData(t *testing.T, data []byte) string {
	t.Helper()
	doc := map[string]any{}
	if json.Unmarshal(data, &doc) != nil {
		return fmt.Sprintf("%q", data)
	}
	return strings.TrimSuffix(asYAML(t, brief(prune(doc))), "\n")
}

// changes is what a merge patch from was to now says.
func changes(t *testing.T, was, now map[string]any) any {
	t.Helper()
	docs := make([][]byte, 2)
	for i, v := range []any{was, now} {
		doc, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		docs[i] = doc
	}
	patch, err := jsonpatch.CreateMergePatch(docs[0], docs[1])
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(patch, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func asYAML(t *testing.T, v any) string {
	t.Helper()
	doc, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}
