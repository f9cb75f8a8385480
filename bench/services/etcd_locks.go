// SPDX-License-Identifier: Apache-2.0
// What etcd's own client library takes to lock and unlock, for bench/services/
// etcd.sh: a session (a lease that is kept alive) and a mutex each time, as
// `etcdctl lock` does; and with one session for all.  Prints microseconds of
// each.
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

func newSession(client *clientv3.Client) *concurrency.Session {
	session, err := concurrency.NewSession(client, concurrency.WithTTL(30))
	must(err)
	return session
}

func lockOnce(session *concurrency.Session) {
	mutex := concurrency.NewMutex(session, "bench-go/key")
	must(mutex.Lock(context.Background()))
	must(mutex.Unlock(context.Background()))
}

func lockAlone(client *clientv3.Client) {
	session := newSession(client)
	lockOnce(session)
	must(session.Close())
}

func measure(count int, do func()) {
	do()
	start := time.Now()
	for i := 0; i < count; i++ {
		do()
	}
	fmt.Printf("%.1f\n", float64(time.Since(start).Microseconds())/float64(count))
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
	measure(count, func() { lockAlone(client) })
	session := newSession(client)
	measure(count, func() { lockOnce(session) })
}
