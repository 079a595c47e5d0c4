// Command informers holds the informers of Kubernetes' Go client against an API server: every object that is made, changed and deleted
// is told once, in order, by typed and dynamic informers alike, and a cache that begins late holds the same.
package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	objects   = 50
	namespace = "informers"
	patience  = 30 * time.Second
)

// told counts what an informer's handlers were told.
type told struct {
	sync.Mutex
	added, updated, deleted int
}

func (t *told) handlers() cache.ResourceEventHandlerFuncs {
	count := func(number *int) {
		t.Lock()
		defer t.Unlock()
		*number++
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { count(&t.added) },
		UpdateFunc: func(any, any) { count(&t.updated) },
		DeleteFunc: func(any) { count(&t.deleted) },
	}
}

func (t *told) is(added, updated, deleted int) func() bool {
	return func() bool {
		t.Lock()
		defer t.Unlock()
		return t.added == added && t.updated == updated && t.deleted == deleted
	}
}

func await(what string, holds func() bool) {
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			fail(fmt.Errorf("%s: not within %s", what, patience))
		}
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	fail(err)
	config.QPS, config.Burst = 1000, 1000
	client := kubernetes.NewForConfigOrDie(config)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, err = client.CoreV1().Namespaces().Create(ctx, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	fail(err)

	ours := func(options *metav1.ListOptions) { options.LabelSelector = "informed=yes" }
	typed, untyped := &told{}, &told{}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace), informers.WithTweakListOptions(ours))
	maps := factory.Core().V1().ConfigMaps()
	_, err = maps.Informer().AddEventHandler(typed.handlers())
	fail(err)
	kind := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	dynamics := dynamicinformer.NewFilteredDynamicSharedInformerFactory(dynamic.NewForConfigOrDie(config), 0, namespace, ours)
	_, err = dynamics.ForResource(kind).Informer().AddEventHandler(untyped.handlers())
	fail(err)
	factory.Start(ctx.Done())
	dynamics.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	dynamics.WaitForCacheSync(ctx.Done())

	held := client.CoreV1().ConfigMaps(namespace)
	for index := range objects {
		name := fmt.Sprintf("map-%d", index)
		made, err := held.Create(ctx, &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"informed": "yes"}}}, metav1.CreateOptions{})
		fail(err)
		made.Data = map[string]string{"number": name}
		_, err = held.Update(ctx, made, metav1.UpdateOptions{})
		fail(err)
	}
	await("typed: made and changed", typed.is(objects, objects, 0))
	await("dynamic: made and changed", untyped.is(objects, objects, 0))
	cached, err := maps.Lister().ConfigMaps(namespace).List(labels.Everything())
	fail(err)
	for _, one := range cached {
		if one.Data["number"] != one.Name {
			fail(fmt.Errorf("the cache holds an old %s", one.Name))
		}
	}

	late := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace), informers.WithTweakListOptions(ours))
	lateMaps := late.Core().V1().ConfigMaps()
	lateMaps.Informer()
	late.Start(ctx.Done())
	late.WaitForCacheSync(ctx.Done())
	begun, err := lateMaps.Lister().List(labels.Everything())
	fail(err)
	if len(begun) != objects {
		fail(fmt.Errorf("a cache that began late holds %d objects, not %d", len(begun), objects))
	}

	fail(held.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "informed=yes"}))
	await("typed: deleted", typed.is(objects, objects, objects))
	await("dynamic: deleted", untyped.is(objects, objects, objects))
	fmt.Println("every change was told once")
}
