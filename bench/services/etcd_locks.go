// SPDX-License-Identifier: Apache-2.0
// What etcd's own client library takes to lock and unlock, for bench/services/
// etcd.sh: a session (a lease that is kept alive) and a mutex each time.
//
//	etcd-locks ENDPOINT USER PASSWORD CA-FILE COUNT
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func lockOnce(ctx context.Context, client *clientv3.Client) {
	session, err := concurrency.NewSession(client, concurrency.WithTTL(30))
	must(err)
	mutex := concurrency.NewMutex(session, "bench-go/key")
	must(mutex.Lock(ctx))
	must(mutex.Unlock(ctx))
	must(session.Close())
}

func main() {
	pem, err := os.ReadFile(os.Args[4])
	must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{os.Args[1]}, Username: os.Args[2], Password: os.Args[3],
		DialTimeout: 5 * time.Second, TLS: &tls.Config{RootCAs: pool}})
	must(err)
	count, err := strconv.Atoi(os.Args[5])
	must(err)
	ctx := context.Background()
	lockOnce(ctx, client)
	start := time.Now()
	for i := 0; i < count; i++ {
		lockOnce(ctx, client)
	}
	fmt.Printf("%.1f\n", float64(time.Since(start).Microseconds())/float64(count))
}
