package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// A facet pairs one part of a Swarm spec S with the part of a Kubernetes object O that it means.
// What a facet does not name has no Kubernetes counterpart and is never touched.
type facet[S, O any] struct {
	name string
	// at returns the part as Swarm has it. IDs that Docker fills in are left out, so that what was
	// sent and what is read back compare equal.
	at func(*S) any
	// get writes the part into the object.
	get func(*S, *O)
}

// Seen holds, by facet name, a hash of what skep last wrote there. A part whose hash still matches was
// not touched by anyone else, so the object that the client sent stands as it was sent.
type Seen map[string]string

// seenHash is where Seen holds the hash of the task template that ran.
const seenHash = "hash"

// look hashes every facet of s.
func look[S, O any](facets []facet[S, O], s *S) Seen {
	seen := make(Seen, len(facets))
	for _, f := range facets {
		seen[f.name] = digest(f.at(s))
	}
	return seen
}

// overlay writes into o each part of s that differs from what was seen; with a nil seen, every part.
// This is where Swarm wins.
func overlay[S, O any](facets []facet[S, O], s *S, o *O, seen Seen) {
	for _, f := range facets {
		if was, ok := seen[f.name]; !ok || was != digest(f.at(s)) {
			f.get(s, o)
		}
	}
}

// merge returns prev with the change from before to after laid over it (prev + (after - before)), as a
// JSON merge patch: fields that neither knows stay, and where nothing changed the answer is prev.
// Law GetPut rests on this.
func merge[S any](prev, before, after *S) (S, error) {
	var out S
	docs := make([][]byte, 3)
	for i, s := range []*S{prev, before, after} {
		doc, err := json.Marshal(s)
		if err != nil {
			return out, fmt.Errorf("encode %T: %w", s, err)
		}
		docs[i] = doc
	}
	patch, err := jsonpatch.CreateMergePatch(docs[1], docs[2])
	if err != nil {
		return out, fmt.Errorf("compare %T: %w", prev, err)
	}
	if string(patch) == "{}" {
		return *prev, nil
	}
	doc, err := jsonpatch.MergePatch(docs[0], patch)
	if err != nil {
		return out, fmt.Errorf("merge %T: %w", prev, err)
	}
	if err := json.Unmarshal(doc, &out); err != nil {
		return out, fmt.Errorf("decode %T: %w", prev, err)
	}
	return out, nil
}

// digest is a short hash of the meaning of v: empty fields do not count, as Swarm drops and fills them in.
func digest(v any) string {
	if isEmpty(reflect.ValueOf(v)) {
		return nothingDigest // most facets of most tasks
	}
	doc, err := json.Marshal(prune(v))
	if err != nil {
		return "unreadable"
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:4])
}

// nothingDigest is the digest of what has no meaning: of JSON's null.
const nothingDigest = "74234e98"

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

// prune returns v as plain JSON values without anything empty.
func prune(v any) any {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var plain any
	if err := json.Unmarshal(doc, &plain); err != nil {
		return nil
	}
	return pruned(plain)
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if e := pruned(e); e != nil {
				out[k] = e
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, pruned(e))
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case nil:
		return nil
	}
	return v
}
