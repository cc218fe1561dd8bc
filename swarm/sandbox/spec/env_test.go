package spec

import "testing"

func TestEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		container string
		want      []string
	}{
		"values refer to those before, and to what envFrom gave": {`
envFrom: [{prefix: CFG_, configMapRef: {name: settings}}]
env:
- {name: A, value: "$(CFG_colour)"}
- {name: B, value: "$(A)-$(LATER)-$$(A)"}
- {name: LATER, value: x}`, []string{"CFG_colour=blue", "CFG_size=large", "A=blue", "B=blue-$(LATER)-$(A)", "LATER=x"}},
		"env goes over envFrom, the later source over the earlier": {`
envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: keys}}, {configMapRef: {name: gone, optional: true}}, {secretRef: {name: gone, optional: true}}]
env:
- {name: size, value: small}`, []string{"colour=blue", "size=small", "password=s3cr3t", "user=anna"}},
		"keys": {`
env:
- {name: A, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
- {name: B, valueFrom: {secretKeyRef: {name: keys, key: user}}}
- {name: C, valueFrom: {configMapKeyRef: {name: settings, key: gone, optional: true}}}
- {name: D, valueFrom: {configMapKeyRef: {name: gone, key: gone, optional: true}}}
- {name: E, valueFrom: {secretKeyRef: {name: keys, key: gone, optional: true}}}
- {name: F, valueFrom: {secretKeyRef: {name: gone, key: gone, optional: true}}}`, []string{"A=blue", "B=anna"}},
		"fields": {`
env:
- {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
- {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
- {name: NOTE, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['note']"}}}
- {name: NONE, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['none']"}}}
- {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: SA, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
- {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
- {name: HOSTS, valueFrom: {fieldRef: {fieldPath: status.hostIPs}}}`, []string{
			"NAME=web", "NAMESPACE=shop", "UID=11-22", "APP=web", "NOTE=hello", "NONE=", "NODE=worker-1", "SA=robot",
			"IP=10.0.0.5", "IPS=10.0.0.5,fd00::5", "HOST=192.168.7.1", "HOSTS=192.168.7.1",
		}},
		"resources in units of the divisor, rounded up, by default the node's": {`
resources: {limits: {cpu: 1500m}, requests: {memory: 10Mi, ephemeral-storage: 1Gi}}
env:
- {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
- {name: MILLI, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
- {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Gi}}}
- {name: REQUEST, valueFrom: {resourceFieldRef: {resource: requests.memory}}}
- {name: DISK, valueFrom: {resourceFieldRef: {resource: requests.ephemeral-storage, divisor: 1Mi}}}
- {name: NOTHING, valueFrom: {resourceFieldRef: {resource: requests.cpu}}}
- {name: OTHER, valueFrom: {resourceFieldRef: {containerName: side, resource: limits.cpu, divisor: 1m}}}
- {name: INIT, valueFrom: {resourceFieldRef: {containerName: init, resource: limits.cpu}}}`, []string{
			"CPU=2", "MILLI=1500", "MEMORY=8", "REQUEST=10485760", "DISK=1024", "NOTHING=0", "OTHER=4000", "INIT=0",
		}},
		"from a file in a volume": {`
env:
- {name: A, valueFrom: {fileKeyRef: {volumeName: scratch, path: made/vars.env, key: TOKEN}}}
- {name: B, valueFrom: {fileKeyRef: {volumeName: scratch, path: made/vars.env, key: GONE, optional: true}}}`, []string{"A=from a file"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := stage(t, "serviceAccountName: robot\nvolumes: [{name: scratch, emptyDir: {}}]\ninitContainers: [{name: init}]\ncontainers: [{name: web}, {name: side}]")
			s.set("pod/volumes/scratch/made/vars.env", "TOKEN='from a file' # not more\n")
			fill(t, &s.pod.Spec.Containers[0], c.container)
			config, _ := s.first()
			equal(t, "env", config.Env, c.want)
		})
	}
}

func TestEnvironmentRefused(t *testing.T) {
	for want, env := range map[string]string{
		`configmap "gone" not found`:                             `env: [{name: A, valueFrom: {configMapKeyRef: {name: gone, key: k}}}]`,
		`secret "gone" not found`:                                `envFrom: [{secretRef: {name: gone}}]`,
		`couldn't find key k in ConfigMap shop/settings`:         `env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: k}}}]`,
		`couldn't find key k in Secret shop/keys`:                `env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: k}}}]`,
		`unsupported fieldPath: spec.nope`:                       `env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nope}}}]`,
		`container nope not found`:                               `env: [{name: A, valueFrom: {resourceFieldRef: {containerName: nope, resource: limits.cpu}}}]`,
		`unsupported container resource : limits.nope`:           `env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.nope}}}]`,
		`couldn't parse env file "secret" of volume "dir"`:       `env: [{name: A, valueFrom: {fileKeyRef: {volumeName: dir, path: secret, key: k}}}]`,
		`environment variable key "k" not found in file "ok"`:    `env: [{name: A, valueFrom: {fileKeyRef: {volumeName: dir, path: ok, key: k}}}]`,
		`cannot find the volume "nope" referenced by FileKeyRef`: `env: [{name: A, valueFrom: {fileKeyRef: {volumeName: nope, path: ok, key: k}}}]`,
	} {
		s := stage(t, "volumes: [{name: dir, emptyDir: {}}]\ncontainers: [{name: web}]")
		s.set("pod/volumes/dir/secret", "s3cr3t")
		s.set("pod/volumes/dir/ok", "A='x'")
		fill(t, &s.pod.Spec.Containers[0], env)
		s.refuses(want)
	}
}

// The commands of the tests of the conformance suite, "Variable Expansion".
func TestCommandIsExpanded(t *testing.T) {
	s := stage(t, `
containers:
- name: web
  command: [sh, -c, "TEST_VAR=wrong echo $(TEST_VAR)"]
  args: ["$(TEST_VAR)", "$(NOT_SET)", "$$(TEST_VAR)"]
  workingDir: /srv
  env: [{name: TEST_VAR, value: test-value}]`)
	config, _ := s.first()
	equal(t, "entrypoint", config.Entrypoint, []string{"sh", "-c", "TEST_VAR=wrong echo test-value"})
	equal(t, "cmd", config.Cmd, []string{"test-value", "$(NOT_SET)", "$(TEST_VAR)"})
	if config.WorkingDir != "/srv" {
		t.Errorf("working directory %q", config.WorkingDir)
	}
}

// A container that starts again sees what its sources are then.
func TestEnvironmentFollowsSources(t *testing.T) {
	s := stage(t, `containers: [{name: web, env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}]}]`)
	if err := s.Update(nil, nil, sources(t, `configMaps: {settings: {data: {colour: red}}}`)); err != nil {
		t.Fatal(err)
	}
	config, _ := s.first()
	equal(t, "env", config.Env, []string{"A=red"})
}

// A limit of the whole Pod is a container's limit before the node's size is.
func TestPodLimitIsDefault(t *testing.T) {
	s := stage(t, `
resources: {limits: {cpu: "2"}}
containers: [{name: web, env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}]`)
	config, _ := s.first()
	equal(t, "env", config.Env, []string{"A=2"})
}
