package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// nameHash is how many hex digits of a Docker name's hash its Kubernetes form carries.
const nameHash = 10

// DNSName is the DNS-1123 label by which Kubernetes knows a Docker name. A name that is such a label
// stays; any other keeps what it can and gets a hash of the whole, so that "Web_1" and "web.1" stay apart.
func DNSName(name string) string {
	if len(validation.IsDNS1123Label(name)) == 0 {
		return name
	}
	kept := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	if room := validation.DNS1123LabelMaxLength - nameHash - 1; len(kept) > room {
		kept = kept[:room]
	}
	sum := sha256.Sum256([]byte(name))
	hash := hex.EncodeToString(sum[:])[:nameHash]
	if kept = strings.Trim(kept, "-"); kept == "" {
		return "x-" + hash
	}
	return kept + "-" + hash
}
