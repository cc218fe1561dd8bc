package bench

import "testing"

func TestTwin(t *testing.T) {
	const uid = "0b7c2c4e-5f0c-4b55-9a3b-3f6f0a6e9d11"
	twin := Twin{spec: `{"Name":"ns_skep-1","Labels":{"uid":"` + uid + `","app":"skep-1"}}`, name: "skep-1", uid: uid}
	want := `{"Name":"ns_twin-2","Labels":{"uid":"0b7c2c4e-5f0c-4b55-9a3b-3f6f0atwin-2","app":"twin-2"}}`
	if got := string(twin.Create("twin-2").Body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
