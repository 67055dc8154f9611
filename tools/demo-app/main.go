// SPDX-License-Identifier: GPL-2.0-or-later

// A service as somebody else would have written it: it knows nothing of reqtally and has its own client_golang metrics,
// so that both can be compared. /slow takes its time.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var (
	requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "app_requests_total", Help: "Requests answered, as the application counts them.",
	}, []string{"path", "code"})
	duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "app_request_duration_seconds", Help: "Time spent in the handler.",
	}, []string{"path"})
)

func counted(path string, code int, delay time.Duration, body string) {
	http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		time.Sleep(delay)
		w.WriteHeader(code)
		fmt.Fprintln(w, body)
		duration.WithLabelValues(path).Observe(time.Since(start).Seconds())
		requests.WithLabelValues(path, fmt.Sprint(code)).Inc()
	})
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	delay := flag.Duration("delay", 900*time.Millisecond, "how long /slow takes")
	flag.Parse()

	prometheus.MustRegister(requests, duration)
	counted("/fast", http.StatusOK, 0, "fast")
	counted("/slow", http.StatusOK, *delay, "slow")
	counted("/missing", http.StatusNotFound, 0, "not here")
	http.Handle("/metrics", promhttp.Handler())

	server := &http.Server{Addr: *listen, ReadHeaderTimeout: 10 * time.Second}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}
