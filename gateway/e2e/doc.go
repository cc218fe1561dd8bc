// Package e2e walks through skep from the outside: the kubectl built from our go.mod, a running bin/skep, a real Swarm.
//
//	make e2e            everything, on engines of its own (.ci/engine)
//	make e2e E2E=TestX  a part
//	go test ./gateway/e2e   without SKEP_E2E=1 every test says that it is skipped, and why
//
// cluster_test.go sets the stage: one Swarm and one gateway that the tests share. gateway_test.go starts, kills and
// restarts gateways; space_test.go gives each test a namespace of its own with kubectl, docker and watches in it, and
// tells on failure what skep and Swarm saw; net_test.go looks from Pods and nodes at what they reach; sandbox_test.go has
// what the walks of the Pod sandbox ask for. The other files are the walks, one subject each. testimage is the program
// inside the images that the walks run.
//
// SKEP_E2E_DOCKER_HOST and SKEP_E2E_CONTROL_SOCKET point the walks at another Swarm, which needs the images of
// .ci/images.
package e2e
