package swarm

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
)

// trial is one function of upstream's suite, which every storage.Interface has to pass.
type trial struct {
	// store runs it on swarm.Store; nil where only a cache can do it.
	store func(context.Context, *testing.T, *pods)
	// cache runs it on upstream's watch cache over swarm.Store; nil where upstream does not either.
	cache func(context.Context, *testing.T, *cached)
	// clusterScoped Pods have no namespace.
	clusterScoped bool
	// fromOne has the cache run where revisions begin with 1, as in a new etcd: it cannot reach back to
	// before it was filled.
	fromOne bool
}

// both is for what needs nothing but a store.
func both(run func(context.Context, *testing.T, storage.Interface)) trial {
	return trial{
		store: func(ctx context.Context, t *testing.T, p *pods) { t.Helper(); run(ctx, t, p) },
		cache: func(ctx context.Context, t *testing.T, c *cached) { t.Helper(); run(ctx, t, c) },
	}
}

var errCorrupt = errors.New("bits flipped")

// The cache hands writes, reads without a version and pages on to the store, and answers the rest itself.
func noCalls(*testing.T, uint64, uint64) {}

var trials = map[string]trial{
	"RunTestCreate": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestCreate(ctx, t, p, p.storedVersionless)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestCreate(ctx, t, c, c.pods.storedVersionless)
		},
	},
	"RunTestCreateWithKeyExist":                         both(storagetesting.RunTestCreateWithKeyExist),
	"RunTestGet":                                        both(storagetesting.RunTestGet),
	"RunTestUnconditionalDelete":                        both(storagetesting.RunTestUnconditionalDelete),
	"RunTestConditionalDelete":                          both(storagetesting.RunTestConditionalDelete),
	"RunTestDeleteWithSuggestion":                       both(storagetesting.RunTestDeleteWithSuggestion),
	"RunTestDeleteWithSuggestionAndConflict":            both(storagetesting.RunTestDeleteWithSuggestionAndConflict),
	"RunTestDeleteWithConflict":                         both(storagetesting.RunTestDeleteWithConflict),
	"RunTestDeleteWithSuggestionOfDeletedObject":        both(storagetesting.RunTestDeleteWithSuggestionOfDeletedObject),
	"RunTestValidateDeletionWithSuggestion":             both(storagetesting.RunTestValidateDeletionWithSuggestion),
	"RunTestValidateDeletionWithOnlySuggestionValid":    both(storagetesting.RunTestValidateDeletionWithOnlySuggestionValid),
	"RunTestPreconditionalDeleteWithSuggestion":         both(storagetesting.RunTestPreconditionalDeleteWithSuggestion),
	"RunTestPreconditionalDeleteWithOnlySuggestionPass": both(storagetesting.RunTestPreconditionalDeleteWithOnlySuggestionPass),
	"RunTestList": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestList(ctx, t, p, p.compact, false, nil)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestList(ctx, t, c, c.compact, true, c.lists)
		},
	},
	"RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError(ctx, t, p, p.setFailing)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError(ctx, t, c, c.pods.setFailing)
		},
	},
	"RunTestDeleteExpectedTransformOrDecodeError": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t, p, p.setFailing)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t, c, c.pods.setFailing)
		},
	},
	"RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError": both(func(ctx context.Context, t *testing.T, s storage.Interface) {
		t.Helper()
		storagetesting.RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError(ctx, t, s)
	}),
	"RunTestConsistentList": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestConsistentList(ctx, t, p, p.increaseRV, false, true, false)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestConsistentList(ctx, t, c, c.pods.increaseRV, true, true, true)
		},
	},
	"RunTestGetListNonRecursive": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestGetListNonRecursive(ctx, t, p.increaseRV, p)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestGetListNonRecursive(ctx, t, c.pods.increaseRV, c)
		},
	},
	"RunTestGetListRecursivePrefix": both(storagetesting.RunTestGetListRecursivePrefix),
	"RunTestGetListWithoutErrorAggregation": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestGetListWithoutErrorAggregation(ctx, t, p, errCorrupt)
		},
	},
	"RunTestListContinuation": both(func(ctx context.Context, t *testing.T, s storage.Interface) {
		t.Helper()
		storagetesting.RunTestListContinuation(ctx, t, s, noCalls)
	}),
	"RunTestListPaginationRareObject": both(func(ctx context.Context, t *testing.T, s storage.Interface) {
		t.Helper()
		storagetesting.RunTestListPaginationRareObject(ctx, t, s, noCalls)
	}),
	"RunTestListContinuationWithFilter": both(func(ctx context.Context, t *testing.T, s storage.Interface) {
		t.Helper()
		storagetesting.RunTestListContinuationWithFilter(ctx, t, s, noCalls)
	}),
	"RunTestListInconsistentContinuation": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestListInconsistentContinuation(ctx, t, p, p.compact)
		},
	},
	"RunTestGuaranteedUpdate": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestGuaranteedUpdate(ctx, t, named{p, p}, p.storedVersionless)
		},
	},
	"RunTestGuaranteedUpdateWithConflict":              both(storagetesting.RunTestGuaranteedUpdateWithConflict),
	"RunTestGuaranteedUpdateWithSuggestionAndConflict": both(storagetesting.RunTestGuaranteedUpdateWithSuggestionAndConflict),
	"RunTestTransformationFailure": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestTransformationFailure(ctx, t, p)
		},
	},
	"RunTestStats": both(func(ctx context.Context, t *testing.T, s storage.Interface) {
		t.Helper()
		storagetesting.RunTestStats(ctx, t, s, podCodecs.LegacyCodec(examplev1.SchemeGroupVersion), identity.NewEncryptCheckTransformer(), false)
	}),
	"RunTestListPaging":          both(storagetesting.RunTestListPaging),
	"RunTestNamespaceScopedList": both(storagetesting.RunTestNamespaceScopedList),
	"RunTestCompactRevision": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			p.sinceEver()
			storagetesting.RunTestCompactRevision(ctx, t, p, p.increaseRV, p.compact)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestCompactRevision(ctx, t, c, c.pods.increaseRV, c.compact)
		},
	},
	"RunTestKeySchema": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestKeySchema(ctx, t, named{p, p})
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestKeySchema(ctx, t, named{c, c.pods})
		},
	},

	"RunTestWatch": both(storagetesting.RunTestWatch),
	"RunTestWatchFromZero": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestWatchFromZero(ctx, t, p, p.compact)
		},
	},
	"RunTestDeleteTriggerWatch":   both(storagetesting.RunTestDeleteTriggerWatch),
	"RunTestWatchFromNonZero":     both(storagetesting.RunTestWatchFromNonZero),
	"RunTestDelayedWatchDelivery": both(storagetesting.RunTestDelayedWatchDelivery),
	"RunTestWatchContextCancel": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestWatchContextCancel(ctx, t, p)
		},
	},
	"RunTestWatcherTimeout":                     both(storagetesting.RunTestWatcherTimeout),
	"RunTestWatchDeleteEventObjectHaveLatestRV": both(storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV),
	"RunTestWatchInitializationSignal":          both(storagetesting.RunTestWatchInitializationSignal),
	"RunTestClusterScopedWatch":                 clusterScoped(both(storagetesting.RunTestClusterScopedWatch)),
	"RunTestNamespaceScopedWatch":               both(storagetesting.RunTestNamespaceScopedWatch),
	"RunTestWatchDispatchBookmarkEvents": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, p, false)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, c, true)
		},
	},
	"RunTestOptionalWatchBookmarksWithCorrectResourceVersion": {
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunTestOptionalWatchBookmarksWithCorrectResourceVersion(ctx, t, c)
		},
	},
	"RunSendInitialEventsBackwardCompatibility": both(storagetesting.RunSendInitialEventsBackwardCompatibility),
	"RunWatchSemantics": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			p.sinceEver()
			storagetesting.RunWatchSemantics(ctx, t, p)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunWatchSemantics(ctx, t, seen{c})
		},
		fromOne: true,
	},
	"RunWatchSemanticInitialEventsExtended": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunWatchSemanticInitialEventsExtended(ctx, t, p)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunWatchSemanticInitialEventsExtended(ctx, t, seen{c})
		},
	},
	"RunWatchListMatchSingle": {
		store: func(ctx context.Context, t *testing.T, p *pods) {
			t.Helper()
			storagetesting.RunWatchListMatchSingle(ctx, t, p)
		},
		cache: func(ctx context.Context, t *testing.T, c *cached) {
			t.Helper()
			storagetesting.RunWatchListMatchSingle(ctx, t, seen{c})
		},
	},
}

func clusterScoped(t trial) trial {
	t.clusterScoped = true
	return t
}

// leftOut are the functions of the suite that say nothing about this store.
var leftOut = map[string]string{
	"RunTestCreateWithTTL":                    "what the Swarm holds does not expire; Events, which do, are in memory",
	"RunTestGuaranteedUpdateWithTTL":          "what the Swarm holds does not expire; Events, which do, are in memory",
	"RunTestGetListWithErrorAggregation":      "collects errors of a type that is private to etcd3",
	"RunTestGuaranteedUpdateChecksStoredData": "compares the bytes stored, whitespace included; an update here is one when labels differ",
	"RunTestListResourceVersionMatch":         "creates objects while etcd's transformer reads others; nothing is transformed during a list here",
	"RunTestWatchError":                       "breaks etcd's transformer and watches the past; the past of a view is of objects already opened",
	"RunTestWatchWithUnsafeDelete":            "expects an error of a type that is private to etcd3",
	"RunWatchErrorIsBlockingFurtherEvents":    "breaks etcd's transformer and watches the past; TestWatchEndsWithError is the like for a view",
	"RunOptionalTestProgressNotify":           "etcd's periodic progress; here a bookmark is asked for by RequestWatchProgress",
}

func TestStorageSuite(t *testing.T) {
	for _, feed := range feeds {
		t.Run(feed, func(t *testing.T) {
			needEngine(t, feed)
			for _, name := range slices.Sorted(maps.Keys(trials)) {
				runTrial(t, feed, name, trials[name])
			}
		})
	}
}

func runTrial(t *testing.T, feed, name string, tr trial) {
	t.Helper()
	if tr.store == nil && tr.cache == nil {
		t.Fatalf("%s is not run", name)
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "RunTest"), "Run")
	if tr.store != nil {
		t.Run(name+"/store", func(t *testing.T) {
			gates(t)
			tr.store(context.Background(), t, newPods(t, feed))
		})
	}
	if tr.cache != nil && (!tr.fromOne || feed == "fake") {
		t.Run(name+"/cache", func(t *testing.T) {
			gates(t)
			keyOf := storage.NamespaceKeyFunc
			if tr.clusterScoped {
				keyOf = storage.NoNamespaceKeyFunc
			}
			tr.cache(context.Background(), t, newCached(t, newPods(t, feed), keyOf))
		})
	}
}

// gates are those of a kube-apiserver by default; they are named because the suite asks for them.
func gates(t *testing.T) {
	t.Helper()
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.ListFromCacheSnapshot, true)
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.AllowUnsafeMalformedObjectDeletion, true)
}

var _ runtime.Object = newPod()

// TestSuiteIsWhole: every function of upstream's suite is run, or left out for a reason.
func TestSuiteIsWhole(t *testing.T) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "k8s.io/apiserver/pkg/storage/testing").Output()
	if err != nil {
		t.Fatal(err)
	}
	suite := exportedRuns(t, strings.TrimSpace(string(dir)))
	if len(suite) < 50 {
		t.Fatalf("found only %d functions in %s", len(suite), dir)
	}
	calls := callsOfTrials(t)
	for _, name := range suite {
		_, run := trials[name]
		reason, out := leftOut[name]
		switch {
		case run && out:
			t.Errorf("%s is both run and left out", name)
		case !run && reason == "":
			t.Errorf("%s is new: run it, or say why not", name)
		case run && !slices.Contains(calls[name], name):
			t.Errorf("the trial %s calls %v", name, calls[name])
		}
	}
	for name := range maps.Keys(leftOut) {
		if !slices.Contains(suite, name) {
			t.Errorf("%s is left out, and is not in the suite", name)
		}
	}
}

// exportedRuns names the functions Run... of a package, but for its benchmarks.
func exportedRuns(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Run") && !strings.HasPrefix(f.Name.Name, "RunBenchmark") {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

// callsOfTrials reads out of this file which functions of the suite each row of trials calls.
func callsOfTrials(t *testing.T) map[string][]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "suite_test.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string][]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		row, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, ok := row.Key.(*ast.BasicLit)
		if !ok {
			return true
		}
		name := strings.Trim(key.Value, `"`)
		ast.Inspect(row.Value, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Run") {
				calls[name] = append(calls[name], s.Sel.Name)
			}
			return true
		})
		return false
	})
	return calls
}
