package engine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"skep/swarm/simulator"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
	del  = http.MethodDelete
)

// refusals were compared with a real Engine, word for word, except for those marked as ours. %v is the version of service
// "web", %n the ID of the node.
var refusals = []struct {
	method, path, body string
	status             int
	message            string
}{
	{get, "/services/nope", "", 404, "service nope not found"},
	{del, "/services/nope", "", 404, "service nope not found"},
	{get, `/services?filters={"foo":["a"]}`, "", 400, "invalid filter 'foo'"},
	{
		post, "/services/create", serviceJSON("web", ""), 409,
		"rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists",
	},
	{post, "/services/create", serviceJSON("a b", ""), 400, "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component"},
	{
		post, "/services/create", `{"Name":"b","TaskTemplate":{"ContainerSpec":{"Image":""}}}`, 400,
		"rpc error: code = InvalidArgument desc = ContainerSpec: image reference must be provided",
	},
	{post, "/services/create", `{"Name":"b","TaskTemplate":{}}`, 400, "mismatched Runtime and *Spec fields"},
	{post, "/services/create", serviceJSON("b", `,"Mode":{"Global":{},"Replicated":{}}`), 400, "must specify only one service mode"},
	{post, "/services/create", `{"Name":"b","TaskTemplate":{"Runtime":"attachment","NetworkAttachmentSpec":{"ContainerID":"a"}}}`, 400, "unsupported runtime"},
	{
		post, "/services/create", `{"Name":"b","TaskTemplate":{"Runtime":"plugin","PluginSpec":{"Name":"a","Remote":"a"}}}`, 500,
		`runtime type "plugin" only supported in experimental`,
	},
	{post, "/services/create", `{"Name":"b","TaskTemplate":{"ContainerSpec":{"Image":"nginx"},"Networks":[{"Target":"nope"}]}}`, 500, "network nope not found"},
	{
		post, "/services/create", `{"Name":"b","TaskTemplate":{"ContainerSpec":{"Image":"nginx"},"Networks":[{"Target":"docker_gwbridge"}]}}`, 403,
		"The network docker_gwbridge cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.",
	},
	{post, "/services/nope/update?version=1", serviceJSON("nope", ""), 404, "service nope not found"},
	{post, "/services/web/update?version=1", serviceJSON("web", ""), 500, "rpc error: code = Unknown desc = update out of sequence"},
	{post, "/services/web/update?version=x", serviceJSON("web", ""), 400, `invalid service version 'x': strconv.ParseUint: parsing "x": invalid syntax`},
	{post, "/services/web/update?version=%v", serviceJSON("other", ""), 501, "rpc error: code = Unimplemented desc = renaming services is not supported"},
	{
		post, "/services/web/update?version=%v", serviceJSON("web", `,"Mode":{"Global":{}}`), 501,
		"rpc error: code = Unimplemented desc = service mode change is not allowed",
	},
	{post, "/services/web/update?version=%v&rollback=foo", serviceJSON("web", ""), 500, "unrecognized rollback option foo"},
	{post, "/services/web/update?version=%v&rollback=previous", serviceJSON("web", ""), 400, "does not have a previous spec"},
	{post, "/services/web/update?version=%v&registryAuthFrom=previous-spec", serviceJSON("web", ""), 500, "service does not have a previous spec"},
	{post, "/services/web/update?version=%v&registryAuthFrom=foo", serviceJSON("web", ""), 500, "unsupported registryAuthFrom value"},
	{get, "/services/web/logs", "", 500, "Bad parameters: you must choose at least one stream"},
	{get, "/services/nope/logs?stdout=1", "", 404, "service nope not found"},
	{get, "/services/web/logs?stdout=1&tail=x", "", 500, `tail value must be a positive integer or "all"`},
	{get, "/services/web/logs?stdout=1&tail=-3", "", 500, "negative tail values not supported"},
	{get, "/services/web/logs?stdout=1&since=x", "", 500, `could not parse since timestamp: strconv.ParseInt: parsing "x": invalid syntax`},

	{get, "/tasks/nope", "", 404, "task nope not found"},
	{get, `/tasks?filters={"desired-state":["foo"]}`, "", 500, "Invalid desired-state filter: 'foo'"},
	{get, `/tasks?filters={"service":["nope"]}`, "", 404, "service nope not found"},
	{get, `/tasks?filters={"node":["nope"]}`, "", 404, "node nope not found"},
	{get, `/tasks?filters={"foo":["a"]}`, "", 400, "invalid filter 'foo'"},

	{get, "/nodes/nope", "", 404, "node nope not found"},
	{del, "/nodes/nope", "", 404, "node nope not found"},
	{del, "/nodes/%n", "", 400, "is a cluster manager and is a member of the raft cluster"},
	{get, `/nodes?filters={"role":["foo"]}`, "", 500, "Invalid role filter: 'foo'"},
	{post, "/nodes/%n/update?version=1", `{"Role":"manager","Availability":"active"}`, 500, "rpc error: code = Unknown desc = update out of sequence"},
	{post, "/nodes/%n/update?version=1", `{"Role":"foo","Availability":"active"}`, 400, `invalid Role: "foo"`},

	{get, "/configs/nope", "", 404, "config nope not found"},
	{post, "/configs/create", `{"Name":"c","Data":"YQ=="}`, 409, "rpc error: code = AlreadyExists desc = config c already exists"},
	{post, "/configs/create", `{"Data":"YQ=="}`, 400, "rpc error: code = InvalidArgument desc = name must be provided"},
	{post, "/configs/c/update?version=1", `{"Name":"c","Data":"Yg=="}`, 400, "rpc error: code = InvalidArgument desc = only updates to Labels are allowed"},
	{get, "/secrets/nope", "", 404, "secret nope not found"},
	{post, "/secrets/create", `{"Name":"a b","Data":"YQ=="}`, 400, "rpc error: code = InvalidArgument desc = invalid name, " +
		"only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]"},

	{get, "/networks/nope", "", 404, "network nope not found"},
	{del, "/networks/nope", "", 404, "network nope not found"},
	{del, "/networks/bridge", "", 403, "bridge is a pre-defined network and cannot be removed"},
	{post, "/networks/create", `{"Name":"bridge"}`, 409, "network with name bridge already exists"},
	{post, "/networks/create", `{"Name":"none"}`, 403, "operation is not permitted on predefined none network "},
	{post, "/networks/create", `{"Name":"x","Driver":"foo"}`, 404, `plugin "foo" not found`},
	{post, "/networks/create", `{"Name":"x","Driver":"host"}`, 403, `only one instance of "host" network is allowed`},
	{post, "/networks/create", `{"Name":"a b","Driver":"overlay"}`, 400, "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component"},
	{get, `/networks?filters={"foo":["a"]}`, "", 400, "invalid filter 'foo'"},

	{post, "/swarm/init", `{}`, 503, `This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.`},
	{post, "/swarm/join", `{}`, 503, `This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.`},
	{post, "/swarm/unlock", `{}`, 409, "swarm is not locked"},
	{post, "/swarm/update?version=1", `{"Name":"foo"}`, 400, `swarm spec must be named "default"`},
	{post, "/swarm/leave", "", 501, "leaving the swarm is not simulated"}, // ours

	{get, "/volumes/nope", "", 404, "get nope: no such volume"},
	{post, "/volumes/create", `{"Name":"v2","Driver":"foo"}`, 404, `create v2: error looking up volume plugin foo: plugin "foo" not found`},
	{post, "/volumes/create", `{"Name":"a b"}`, 400, `create a b: "a b" includes invalid characters for a local volume name, ` +
		`only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`},

	{get, "/containers/nope/json", "", 404, "No such container: nope"},
	{post, "/containers/nope/kill", "", 404, "cannot kill container: nope: No such container: nope"},
	{post, "/containers/create", "", 501, "POST /containers/create is not simulated: the simulator has no containers"}, // ours
	{get, "/v1.40/plugins", "", 501, "is not simulated"},                                                               // ours
	{get, "/v9.9/info", "", 400, "client version 9.9 is too new. Maximum supported API version is 1.51"},
}

func serviceJSON(name, more string) string {
	return fmt.Sprintf(`{"Name":%q,"TaskTemplate":{"ContainerSpec":{"Image":"nginx"}}%s}`, name, more)
}

func TestRefusals(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	id := r.create(spec("web", 1))
	r.running(id, 1) // no change of the service comes after
	if status, _, body := r.ask(post, "/configs/create", `{"Name":"c","Data":"YQ=="}`); status != http.StatusCreated {
		t.Fatal(status, body)
	}
	fill := strings.NewReplacer("%v", fmt.Sprint(r.service(id).Version.Index), "%n", r.sim.NodeID(), `"`, "%22", "[", "%5B")
	for _, c := range refusals {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			status, _, body := r.ask(c.method, fill.Replace(c.path), c.body)
			var answer struct{ Message string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if status != c.status || !strings.Contains(answer.Message, c.message) {
				t.Errorf("%s\n is %d %q\nnot %d %q", c.body, status, answer.Message, c.status, c.message)
			}
		})
	}
}
