package compose

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/runtime"

	"skep/translate"
)

// Format is what a result is written as.
type Format string

// The formats.
const (
	FormatKubernetes Format = "kubernetes" // manifests, an object a file
	FormatKustomize  Format = "kustomize"  // a base
	FormatHelm       Format = "helm"       // a chart
	FormatCompose    Format = "compose"    // a stack file
)

// Formats are all of them.
var Formats = []Format{FormatKubernetes, FormatKustomize, FormatHelm, FormatCompose}

// Write puts a result into files, by their path below a directory; with slashes on every system. The same result gives
// the same bytes, and the name of an object's file depends on nothing but the object, so that a small change is a small
// difference. s is the stack that r was made of; only FormatCompose asks for it.
func Write(r *Result, s *Stack, format Format) (map[string][]byte, error) {
	switch format {
	case FormatKubernetes:
		return manifests(r.Objects)
	case FormatKustomize:
		return kustomization(r)
	case FormatHelm:
		return chartOf(r)
	case FormatCompose:
		return s.Files()
	default:
		return nil, fmt.Errorf("there is no format %q: it is one of %s", format, formatNames())
	}
}

func formatNames() string {
	var all []string
	for _, f := range Formats {
		all = append(all, string(f))
	}
	return strings.Join(all, ", ")
}

// Stream is what files hold as one stream of YAML documents, in the order of their names.
func Stream(files map[string][]byte) []byte {
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if len(out) > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, files[name]...)
	}
	return out
}

// manifests are objects as files whose names sort in the order in which they are applied.
func manifests(objects []translate.Object) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, o := range objects {
		tree, err := treeOf(o)
		if err != nil {
			return nil, err
		}
		out, err := yaml.Marshal(tree) // the package below sigs.k8s.io/yaml, which would make JSON and read it again first
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", gvkOf(o).Kind, o.GetName(), err)
		}
		files[fileName(o, files)] = out
	}
	return files, nil
}

// fileName is the name of an object's file. taken are those that others have: of the same name in other namespaces.
func fileName[V any](o translate.Object, taken map[string]V) string {
	name := fmt.Sprintf("%02d-%s-%s", placeOf(o), strings.ToLower(gvkOf(o).Kind), o.GetName())
	if _, is := taken[name+".yaml"]; is {
		name += "-" + o.GetNamespace()
	}
	return name + ".yaml"
}

// treeOf is an object as its document has it: without a status, which is the cluster's to write, and without the empty
// fields that Go cannot leave out.
func treeOf(o translate.Object) (map[string]any, error) {
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", gvkOf(o).Kind, o.GetName(), err)
	}
	delete(tree, "status")
	prune(tree)
	return tree, nil
}

// alwaysThere are fields that Go writes though they say nothing.
var alwaysThere = []string{"creationTimestamp", "resources", "strategy", "updateStrategy", "spec", "status"}

// prune drops them from a tree. Nothing that a user writes has an empty mapping or null by one of these names: the keys of
// data, labels and annotations have strings.
func prune(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range alwaysThere {
			if inner, is := v[key]; is && blank(inner) {
				delete(v, key)
			}
		}
		for _, inner := range v {
			prune(inner)
		}
	case []any:
		for _, inner := range v {
			prune(inner)
		}
	}
}

// blank says whether a field is null or an empty mapping.
func blank(v any) bool {
	mapping, is := v.(map[string]any)
	return v == nil || is && len(mapping) == 0
}
