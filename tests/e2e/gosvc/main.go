// SPDX-License-Identifier: GPL-2.0-or-later

// Command gosvc is the Go service of the tests: it counts its own requests with client_golang, so that its counter, its
// log and what reqtally saw from outside can be compared. Its metrics stand on a listener of their own, because asking
// for them must not be one more request.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var (
	requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "app_requests_total", Help: "Requests the service answered.",
	}, []string{"method", "endpoint", "code"})
	durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "app_request_duration_seconds", Help: "How long the handler took.",
		Buckets: []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10},
	}, []string{"method", "endpoint", "code"})

	sleeps = map[string]time.Duration{"/slow/short": 30, "/slow/medium": 120, "/slow/long": 400}
	errors = map[string]int{"/bad": 400, "/private": 403, "/fail": 500, "/upstream": 502}
	routes = []struct {
		path     *regexp.Regexp
		endpoint string
	}{
		{regexp.MustCompile(`^/users/\d+/orders$`), "/users/{id}/orders"},
		{regexp.MustCompile(`^/items/[0-9a-f-]{36}$`), "/items/{id}"},
		{regexp.MustCompile(`^/blobs/[0-9a-f]{40}$`), "/blobs/{id}"},
		{regexp.MustCompile(`^/(search)?$`), ""},
	}
)

// handle answers, and returns the endpoint under which the service itself counts the request.
func handle(w http.ResponseWriter, r *http.Request) string {
	path := r.URL.Path
	if d, ok := sleeps[path]; ok {
		time.Sleep(d * time.Millisecond)
		io.WriteString(w, "slept\n")
		return path
	}
	if code, ok := errors[path]; ok {
		http.Error(w, "no", code)
		return path
	}
	switch path {
	case "/echo":
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d\n", n)
		return path
	case "/readonly":
		if r.Method == http.MethodPost {
			http.Error(w, "no", http.StatusMethodNotAllowed)
			return path
		}
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
		return path
	case "/cached":
		w.WriteHeader(http.StatusNotModified)
		return path
	case "/old":
		http.Redirect(w, r, "/", http.StatusMovedPermanently)
		return path
	case "/chunked":
		for i := 0; i < 10; i++ {
			io.WriteString(w, strings.Repeat(fmt.Sprintf("piece %d\n", i), 20))
			w.(http.Flusher).Flush()
		}
		return path
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; i < 3; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
		}
		return path
	}
	for _, route := range routes {
		if route.path.MatchString(path) {
			fmt.Fprintf(w, "path %s\n", path)
			if route.endpoint != "" {
				return route.endpoint
			}
			return path
		}
	}
	http.NotFound(w, r)
	return path
}

// recorder remembers the status for the log and the counter.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) { r.code = code; r.ResponseWriter.WriteHeader(code) }
func (r *recorder) Flush()               { r.ResponseWriter.(http.Flusher).Flush() }

func main() {
	logPath := flag.String("log", "/dev/stderr", "access log")
	metrics := flag.String("metrics", "127.0.0.1:0", "address of /metrics")
	flag.Parse()
	file, err := os.OpenFile(*logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	prometheus.MustRegister(requests, durations)
	var mutex sync.Mutex
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun, rec := time.Now(), &recorder{w, 200}
		endpoint := handle(rec, r)
		code := strconv.Itoa(rec.code)
		requests.WithLabelValues(r.Method, endpoint, code).Inc()
		durations.WithLabelValues(r.Method, endpoint, code).Observe(time.Since(begun).Seconds())
		mutex.Lock()
		defer mutex.Unlock()
		fmt.Fprintf(file, "%s\t%s\t%s\n", r.Method, r.URL.Path, code)
	})
	for _, address := range flag.Args() {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			log.Fatal(err)
		}
		go func() { log.Fatal(http.Serve(listener, handler)) }()
	}
	http.Handle("/metrics", promhttp.Handler())
	log.Fatal(http.ListenAndServe(*metrics, nil))
}
