package manifest

import (
	"strings"
	"testing"
)

// The whole image has the gateway's program at /skep, the agent's and the sandbox's beside it: nothing can be mounted below
// a file, and the engine would reject every sandbox.
func TestNothingLiesBelowAProgram(t *testing.T) {
	for _, program := range []string{"/skep", "/skep-agent", "/skep-simulate", Command} {
		for _, place := range []string{PodFile, ConfigMapDir, SecretDir, VolumeDir, RunDir, HostDir, EngineSocket} {
			if place == program || strings.HasPrefix(place, program+"/") {
				t.Errorf("%s lies below the program %s", place, program)
			}
		}
	}
}
