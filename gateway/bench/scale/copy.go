package scale

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"skep/gateway/bench"
)

// peerFlags switch off what would change the copies: the peer has no service accounts, and what it would add to Pods
// skep's do not have.
var peerFlags = []string{"--disable-admission-plugins=ServiceAccount,Priority,DefaultTolerationSeconds"}

// copyTo brings what a gateway shows of the namespaces to a peer that has no controllers: Deployments and Pods with
// their status, of the same size as they are in the gateway's answers.
func copyTo(ctx context.Context, peer, gateway *bench.Client) error {
	clients, err := newPool(peer, 8)
	if err != nil {
		return err
	}
	defer clients.close()
	for i := range namespaces {
		namespace := namespaceName(i)
		if _, err := peer.Do(ctx, createNamespace(namespace)); err != nil {
			return err
		}
		for path, kind := range map[string][2]string{
			deploymentsOf(namespace): {"apps/v1", "Deployment"}, podsOf(namespace): {"v1", "Pod"},
		} {
			items, err := listed(ctx, gateway, path)
			if err != nil {
				return err
			}
			err = clients.each(ctx, len(items), func(ctx context.Context, client *bench.Client, i int) error {
				items[i]["apiVersion"], items[i]["kind"] = kind[0], kind[1]
				return copyObject(ctx, client, path, items[i])
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func listed(ctx context.Context, client *bench.Client, path string) ([]object, error) {
	answer, err := client.Do(ctx, bench.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return nil, err
	}
	var list struct{ Items []object }
	return list.Items, json.Unmarshal(answer.Body, &list)
}

// copyObject creates an object, writes its status, and then sets its managedFields: the peer's own record of these writes
// would make the copy twice as large. An empty entry removes what is there.
func copyObject(ctx context.Context, client *bench.Client, path string, o object) error {
	metadata := o["metadata"].(object)
	status, managed := o["status"], metadata["managedFields"]
	if managed == nil {
		managed = []object{{}}
	}
	for _, key := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"} {
		delete(metadata, key)
	}
	delete(o, "status")
	item := fmt.Sprintf("%s/%s", path, metadata["name"])
	patch := func(path string, body object) bench.Request {
		return bench.Request{Method: http.MethodPatch, Path: path, ContentType: "application/merge-patch+json", Body: encode(body)}
	}
	for _, request := range []bench.Request{
		{Method: http.MethodPost, Path: path, Body: encode(o)},
		patch(item+"/status", object{"status": status}),
		patch(item, object{"metadata": object{"managedFields": managed}}),
	} {
		if _, err := client.Do(ctx, request); err != nil {
			return fmt.Errorf("copy %s: %w", item, err)
		}
	}
	return nil
}
