package compose

import (
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// kustomizeFile is the part of a kustomization that a base needs.
type kustomizeFile struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Namespace  string           `json:"namespace,omitempty"`
	Images     []kustomizeImage `json:"images,omitempty"`
	Resources  []string         `json:"resources"`
}

type kustomizeImage struct {
	Name   string `json:"name"`
	NewTag string `json:"newTag,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// kustomization is a result as a kustomize base: the manifests, and a kustomization that builds to just them. Its images
// are there to be changed in one place.
func kustomization(r *Result) (map[string][]byte, error) {
	files, err := manifests(r.Objects)
	if err != nil {
		return nil, err
	}
	k := kustomizeFile{
		APIVersion: "kustomize.config.k8s.io/v1beta1", Kind: "Kustomization", Resources: slices.Sorted(maps.Keys(files)),
		Namespace: oneNamespace(r), Images: kustomizeImages(r),
	}
	if files["kustomization.yaml"], err = yaml.Marshal(k); err != nil {
		return nil, err
	}
	return files, nil
}

// oneNamespace is the namespace of all objects that are in one; "" where they are in none, or in several.
func oneNamespace(r *Result) string {
	found := map[string]bool{}
	for _, o := range r.Objects {
		if row := kindOf(gvkOf(o)); row != nil && row.strategy.NamespaceScoped() {
			found[o.GetNamespace()] = true
		}
	}
	for name := range found {
		if len(found) == 1 {
			return name
		}
	}
	return ""
}

// kustomizeImages are the images of all containers, by name. One that is used in two versions is left out, since
// kustomize would make them one; so is one that has both a tag and a digest, of which it would drop one.
func kustomizeImages(r *Result) []kustomizeImage {
	seen, mixed := map[string]imageName{}, map[string]bool{}
	for _, o := range r.Objects {
		t := templateIn(o)
		if t == nil {
			continue
		}
		for _, c := range slices.Concat(t.Spec.InitContainers, t.Spec.Containers) {
			image := parseImage(c.Image)
			if have, is := seen[image.repository]; is && have != image {
				mixed[image.repository] = true
			}
			seen[image.repository] = image
		}
	}
	var all []kustomizeImage
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if image := seen[name]; !mixed[name] && (image.tag == "") != (image.digest == "") {
			all = append(all, kustomizeImage{Name: name, NewTag: image.tag, Digest: image.digest})
		}
	}
	return all
}

// imageName is an image's name in its parts, as it is written.
type imageName struct{ repository, tag, digest string }

func parseImage(image string) imageName {
	var n imageName
	n.repository, n.digest, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(n.repository, ':'); colon > strings.LastIndexByte(n.repository, '/') {
		n.repository, n.tag = n.repository[:colon], n.repository[colon+1:]
	}
	return n
}
