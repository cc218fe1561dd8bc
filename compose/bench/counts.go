package main

import (
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	"skep/compose"
	"skep/translate"
)

// counts are what an API server would find in what a program gives.
type counts struct{ objects, invalid, spoiled, dangling, ingresses int }

// add counts a file's objects. One that cannot be decoded is refused like any other.
func (c *counts) add(o outcome) {
	var objects []translate.Object
	refused := map[compose.Reference]bool{}
	unread := 0
	for _, doc := range o.documents {
		c.objects++
		decoded, gvk, err := legacyscheme.Codecs.UniversalDeserializer().Decode([]byte(doc), nil, nil)
		object, is := decoded.(translate.Object)
		if err != nil || !is {
			unread++
			continue
		}
		object.GetObjectKind().SetGroupVersionKind(*gvk)
		if gvk.Kind == "Ingress" {
			c.ingresses++
		}
		objects = append(objects, object)
	}
	for _, fault := range compose.Faults(objects, o.external...) {
		if fault.Dangling {
			c.dangling++
		} else {
			refused[fault.Object] = true
		}
	}
	c.invalid += unread + len(refused)
	if unread+len(refused) > 0 {
		c.spoiled++
	}
}
