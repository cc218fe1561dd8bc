package translate

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestDNSName(t *testing.T) {
	for name, want := range map[string]string{
		"web":        "web",
		"shop_Web_1": "shop-web-1-",
		"web.1":      "web-1-",
		"web_1":      "web-1-",
		"___":        "x-",
		"":           "x-",
		"ümlaut":     "mlaut-",
		"a-very-long-name-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on": "a-very-long-name-that-goes-on-and-on-and-on-and-on-a-",
	} {
		got := DNSName(name)
		if got != want && (len(got) != len(want)+nameHash || got[:len(want)] != want) {
			t.Errorf("%q: %q, want %q and a hash", name, got, want)
		}
	}
}

func FuzzDNSName(f *testing.F) {
	f.Add("web", "Web_1")
	f.Add("web.1", "web_1")
	f.Fuzz(func(t *testing.T, a, b string) {
		one, two := DNSName(a), DNSName(b)
		if errs := validation.IsDNS1123Label(one); len(errs) > 0 {
			t.Errorf("%q: %q is no label: %v", a, one, errs)
		}
		if DNSName(one) != one {
			t.Errorf("%q: %q does not stay", a, one)
		}
		if (a == b) != (one == two) {
			t.Errorf("%q and %q become %q and %q", a, b, one, two)
		}
	})
}
