package compose

import "strings"

// runFates are what of a service runs, and with what around it.
var runFates = []keyGroup{
	{title: "What runs", rows: []keyFate{
		{path: "services.*.image", fate: Mapped, to: "Pod.spec.containers[].image"},
		{path: "services.*.build", fate: Meaningless, reason: "a cluster builds nothing: build the image before, and push it to a registry that the nodes reach", swarm: swarmIgnores},
		{path: "services.*.platform", when: like("with a variant", `^[^/]+/[^/]+/.`), fate: Approximated, to: "Pod.spec.nodeSelector", reason: "nodes tell their system and architecture, and no variant of it: it is left out", swarm: swarmRefuses},
		{path: "services.*.platform", fate: Mapped, to: "Pod.spec.nodeSelector", reason: "kubernetes.io/os and kubernetes.io/arch", swarm: swarmRefuses},
		{path: "services.*.pull_policy", when: isAny("always", "never", "missing", "if_not_present"), fate: Mapped, to: "Pod.spec.containers[].imagePullPolicy", swarm: swarmRefuses},
		{path: "services.*.pull_policy", when: isAny("build"), fate: Meaningless, reason: "a cluster builds nothing: it pulls the image", swarm: swarmRefuses},
		{path: "services.*.pull_policy", fate: Approximated, reason: "a node asks for an image always, or when it has none, and never by its age: give it a tag that changes, or pull_policy: always", swarm: swarmRefuses},
		{path: "services.*.pull_refresh_after", fate: Approximated, reason: "a node never asks for an image by its age: give it a tag that changes, or pull_policy: always", swarm: swarmRefuses},
		{path: "services.*.container_name", fate: Meaningless, reason: "containers are found by their Pod and service: those are named by the service's key", swarm: swarmIgnores},
		{path: "services.*.command", when: emptied, fate: Approximated, reason: "an empty command does not take away the image's own in Kubernetes: say what is to run"},
		{path: "services.*.command", fate: Mapped, to: "Pod.spec.containers[].args", reason: "$( is written $$(, so that the container sees what it sees in Docker"},
		{path: "services.*.entrypoint", when: emptied, fate: Approximated, reason: "an empty entrypoint does not take away the image's own in Kubernetes: say what is to run"},
		{path: "services.*.entrypoint", fate: Mapped, to: "Pod.spec.containers[].command", reason: "$( is written $$("},
		{path: "services.*.working_dir", fate: Mapped, to: "Pod.spec.containers[].workingDir"},
		{path: "services.*.stdin_open", fate: Mapped, to: "Pod.spec.containers[].stdin"},
		{path: "services.*.tty", fate: Mapped, to: "Pod.spec.containers[].tty"},
		{path: "services.*.init", fate: Approximated, reason: "Kubernetes puts no init before a container's process: where zombies pile up take an image with one (tini), or set shareProcessNamespace", kept: true},
		{path: "services.*.stop_grace_period", when: partial, fate: Approximated, to: "Pod.spec.terminationGracePeriodSeconds", reason: "rounded up to whole seconds", swarm: "not rounded"},
		{path: "services.*.stop_grace_period", fate: Mapped, to: "Pod.spec.terminationGracePeriodSeconds", reason: "10 without it, which is Docker's default and not Kubernetes'"},
		{path: "services.*.stop_signal", when: isAny("SIGTERM", "TERM", "15"), fate: Mapped, to: "Pod.spec.containers[].lifecycle.stopSignal", reason: "what Kubernetes sends anyway"},
		{path: "services.*.stop_signal", when: like("a signal's name", `(?i)^(SIG)?[A-Z]`), fate: Approximated, to: "Pod.spec.containers[].lifecycle.stopSignal, Pod.spec.os.name", reason: "clusters obey it with the feature gate ContainerStopSignals only; others send SIGTERM, unless the image says otherwise"},
		{path: "services.*.stop_signal", fate: Refused, reason: "Kubernetes knows signals by their names: write SIGUSR1 in place of a number", kept: true},
		{path: "services.*.provider", fate: Refused, decide: true, reason: "a provider is a program beside Docker Compose: set up in the cluster what it would have, and give its address in the environment", swarm: swarmRefuses},
		{path: "services.*.models", fate: Refused, decide: true, reason: "Docker's model runner is no part of a cluster: run a model server, and set the variables that hold its address and the model's name", swarm: swarmRefuses},
		{path: "services.*.develop", fate: Meaningless, reason: "what Docker Compose does while one develops: Skaffold or Tilt do it with a cluster", swarm: swarmRefuses},
		{path: "services.*.attach", fate: Meaningless, reason: "where Docker Compose shows the log: kubectl logs shows any", swarm: swarmRefuses},
		{path: "services.*.logging", fate: Meaningless, reason: "logs are written on the node, and an agent there takes them on, for all Pods alike", kept: true},
	}},
	{title: "Before and after", rows: []keyFate{
		{path: "services.*.depends_on.*", fate: Mapped, told: true, reason: "an order of starting: a container that misses another is started again, as in a Swarm", swarm: swarmIgnores},
		{path: "services.*.depends_on.*.condition", when: isAny("service_started"), fate: Meaningless, reason: "an order of starting: Kubernetes starts all at once, and a container that misses another is started again, as in a Swarm", swarm: swarmRefuses},
		{path: "services.*.depends_on.*.condition", fate: Approximated, told: true, to: "Pod.spec.initContainers[]", reason: "an init container waits for it", swarm: swarmRefuses},
		{path: "services.*.depends_on.*.restart", fate: Meaningless, reason: "what Docker Compose does when one restarts a service by hand: kubectl rollout restart takes one at a time", swarm: swarmRefuses},
		{path: "services.*.depends_on.*.required", fate: Mapped, reason: "resolved while reading: an optional service that is not there is not waited for", swarm: swarmRefuses},
		{path: "services.*.pre_start[]", fate: Mapped, to: "Pod.spec.initContainers[]", reason: "each an init container, in their order", swarm: swarmRefuses},
		{path: "services.*.pre_start[].per_replica", when: isAny("true"), fate: Mapped, to: "Pod.spec.initContainers[]", swarm: swarmRefuses},
		{path: "services.*.pre_start[].per_replica", when: isAny("false"), fate: Approximated, told: true, to: "Pod.spec.initContainers[]", reason: "it runs before each Pod, and Compose runs it once for the service: it has to bear being run again", swarm: swarmRefuses},
		{path: "services.*.post_start[].command", fate: Mapped, to: "Pod.spec.containers[].lifecycle.postStart.exec", reason: "several are joined by a shell", swarm: swarmRefuses},
		{path: "services.*.post_start[].working_dir", fate: Mapped, to: "Pod.spec.containers[].lifecycle.postStart.exec", reason: "by a shell", swarm: swarmRefuses},
		{path: "services.*.post_start[].environment", fate: Mapped, to: "Pod.spec.containers[].lifecycle.postStart.exec", reason: "by a shell", swarm: swarmRefuses},
		{path: "services.*.post_start[].user", fate: Approximated, told: true, to: "Pod.spec.containers[].lifecycle.postStart.exec", reason: hookReason, swarm: swarmRefuses},
		{path: "services.*.post_start[].privileged", fate: Approximated, told: true, to: "Pod.spec.containers[].lifecycle.postStart.exec", reason: hookReason, swarm: swarmRefuses},
		{path: "services.*.pre_stop[].command", fate: Mapped, to: "Pod.spec.containers[].lifecycle.preStop.exec", reason: "several are joined by a shell", swarm: swarmRefuses},
		{path: "services.*.pre_stop[].working_dir", fate: Mapped, to: "Pod.spec.containers[].lifecycle.preStop.exec", reason: "by a shell", swarm: swarmRefuses},
		{path: "services.*.pre_stop[].environment", fate: Mapped, to: "Pod.spec.containers[].lifecycle.preStop.exec", reason: "by a shell", swarm: swarmRefuses},
		{path: "services.*.pre_stop[].user", fate: Approximated, told: true, to: "Pod.spec.containers[].lifecycle.preStop.exec", reason: hookReason, swarm: swarmRefuses},
		{path: "services.*.pre_stop[].privileged", fate: Approximated, told: true, to: "Pod.spec.containers[].lifecycle.preStop.exec", reason: hookReason, swarm: swarmRefuses},
	}},
	{title: "Environment", rows: []keyFate{
		{path: "services.*.environment.*", when: without, fate: Mapped, to: "Pod.spec.containers[].env[]", reason: "the variable of whoever converts; where that is not set it is left out, and the image's own stands", swarm: "a Swarm takes the image's own variable of that name away"},
		{path: "services.*.environment.*", when: like("{{.Node.Hostname}}", `^\{\{ *\.Node\.Hostname *\}\}$`), fate: Mapped, to: "Pod.spec.containers[].env[].valueFrom.fieldRef.fieldPath", reason: "spec.nodeName"},
		{path: "services.*.environment.*", when: like("another template", `\{\{`), fate: Refused, decide: true, reason: "Kubernetes fills in no templates, and the container sees it as it stands: take a fieldRef of the downward API, or the value itself (skep, by the annotation skep/swarm-templates, has a Swarm fill it in)"},
		{path: "services.*.environment.*", fate: Mapped, to: "Pod.spec.containers[].env[].value", reason: "$( is written $$(, which Kubernetes would expand"},
		{path: "services.*.env_file[].path", fate: Mapped, to: "Pod.spec.containers[].env[]", reason: "read while converting; a later file wins over an earlier one, and environment over both"},
		{path: "services.*.env_file[].required", fate: Mapped, reason: "resolved while reading", swarm: swarmRefuses},
		{path: "services.*.env_file[].format", fate: Mapped, reason: "resolved while reading", swarm: swarmRefuses},
	}},
	{title: "Labels and annotations", note: "Labels of Kubernetes have a narrow alphabet and 63 characters; what does not fit becomes an annotation.", rows: labelFates("services.*.labels.*", "Pod.metadata.labels, Pod.metadata.annotations",
		keyFate{fate: Mapped, told: true, to: "Service.spec.type, Ingress.spec.rules[], Deployment.spec.replicas", reason: "understood as kompose does; one that it does not know is told", swarm: "docker stack deploy knows nothing of them"})},
	{title: "Labels of the service", note: "Of `deploy.labels`. Their families are as above, wherever they stand.", rows: labelFates("services.*.deploy.labels.*", "Deployment.metadata.labels, Deployment.metadata.annotations",
		keyFate{fate: Refused, told: true, reason: "it has no effect: kompose reads labels, and not deploy.labels"})},
	{title: "More labels", rows: []keyFate{
		{path: "services.*.label_file", fate: Mapped, to: "Pod.metadata.labels, Pod.metadata.annotations", reason: "read while converting", swarm: swarmRefuses},
		{path: "services.*.annotations.*", fate: Mapped, to: "Pod.metadata.annotations", swarm: swarmRefuses},
	}},
	{title: "Health", note: "Docker's one check says whether a container is to be replaced and, in a Swarm, whether it is sent anything: so it is both probes.", rows: []keyFate{
		{path: "services.*.healthcheck", when: healthOfImage, fate: Approximated, reason: "the image's own check is not known to Kubernetes, and its times say nothing without it: write the test here", kept: true},
		{path: "services.*.healthcheck.test", when: healthNone, fate: Mapped, reason: "no probe: Kubernetes never asks the image's own check"},
		{path: "services.*.healthcheck.test", fate: Mapped, to: "Pod.spec.containers[].livenessProbe.exec.command, Pod.spec.containers[].readinessProbe.exec.command", reason: "CMD-SHELL, or a text, is run by /bin/sh -c"},
		{path: "services.*.healthcheck.disable", fate: Mapped, reason: "no probe: Kubernetes never asks the image's own check"},
		{path: "services.*.healthcheck.interval", when: partial, fate: Approximated, to: "Pod.spec.containers[].livenessProbe.periodSeconds", reason: "rounded up to whole seconds", swarm: "not rounded"},
		{path: "services.*.healthcheck.interval", fate: Mapped, to: "Pod.spec.containers[].livenessProbe.periodSeconds, Pod.spec.containers[].readinessProbe.periodSeconds", reason: "30 without it, which is Docker's default and not Kubernetes'"},
		{path: "services.*.healthcheck.timeout", when: partial, fate: Approximated, to: "Pod.spec.containers[].livenessProbe.timeoutSeconds", reason: "rounded up to whole seconds", swarm: "not rounded"},
		{path: "services.*.healthcheck.timeout", fate: Mapped, to: "Pod.spec.containers[].livenessProbe.timeoutSeconds, Pod.spec.containers[].readinessProbe.timeoutSeconds", reason: "30 without it"},
		{path: "services.*.healthcheck.retries", fate: Mapped, to: "Pod.spec.containers[].livenessProbe.failureThreshold, Pod.spec.containers[].readinessProbe.failureThreshold", reason: "3 without it"},
		{path: "services.*.healthcheck.start_period", when: partial, fate: Approximated, to: "Pod.spec.containers[].livenessProbe.initialDelaySeconds", reason: "rounded up to whole seconds", swarm: "not rounded"},
		{path: "services.*.healthcheck.start_period", fate: Mapped, to: "Pod.spec.containers[].livenessProbe.initialDelaySeconds", reason: "failures within it do not count in Docker; here the first check comes after it"},
		{path: "services.*.healthcheck.start_interval", fate: Approximated, usual: "5s", reason: "Kubernetes asks at one pace: a startupProbe of its own can ask faster at first", kept: true},
	}},
}

const hookReason = "Kubernetes runs it as the container's user"

// partial are times that are no whole seconds, which is how Kubernetes counts.
var partial = like("parts of a second", `\d(ms|us|µs|ns)|\.\d+s`)

// healthOfImage and healthNone tell checks that no probe can be made of.
var (
	healthOfImage = &condition{"without a test", func(s subject) bool {
		check, _ := s.value.(map[string]any)
		test := check["test"]
		return len(check) > 0 && check["disable"] != true && (test == nil || emptied.is(subject{"test", test}))
	}}
	healthNone = &condition{"NONE", func(s subject) bool {
		list, _ := s.value.([]any)
		return len(list) > 0 && list[0] == "NONE" || s.value == "NONE"
	}}
)

// labelFates are what becomes of labels, by who reads them.
func labelFates(path, to string, kompose keyFate) []keyFate {
	kompose.path, kompose.when = path, keyLike("kompose.*", `^kompose\.`)
	docker := `^com\.docker\.`
	if strings.Contains(path, "deploy") { // a service may have labels of Docker's other tools
		docker = `^com\.docker\.(stack|swarm)\.`
	}
	return []keyFate{
		{path: path, when: keyLike("traefik.*", `^traefik\.`), fate: Mapped, told: true, to: "Ingress.spec.rules[], Ingress.spec.tls[], Ingress.spec.ingressClassName", reason: "routers of HTTP with Host, PathPrefix and Path are Ingresses, and middlewares what an annotation can say; every other rule is told", swarm: "the labels are the same; the Ingress comes on top, and what serves it"},
		kompose,
		{path: path, when: keyLike("com.docker.*", docker), fate: Meaningless, reason: "what Docker's tools note for themselves", swarm: "these labels do not come back"},
		{path: path, fate: Mapped, to: to, reason: "what is no label of Kubernetes is kept in the annotation skep/swarm-labels"},
	}
}
