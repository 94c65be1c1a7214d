package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/oauth"
)

// metrics are what operators watch. Labels have few values: a grant type and a
// reason come from our own tables, never from a request.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
}

func newMetrics(ready func() error) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tokenry_token_requests_total",
			Help: "Token requests by grant type and reason of refusal; an empty reason means issued.",
		}, []string{"grant", "reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tokenry_token_request_seconds", Help: "Time to answer a token request.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	m.registry.MustRegister(m.requests, m.seconds, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tokenry_ready", Help: "1 when this replica may issue tokens, else 0.",
		}, func() float64 {
			if ready() != nil {
				return 0
			}
			return 1
		}))
	return m
}

// observe counts one answered token request.
func (m *metrics) observe(d *grants.Decision, cause *oauth.Error, took time.Duration) {
	grant := "other" // an unknown grant type is input
	switch d.Request.GrantType {
	case oauth.ClientCredentials:
		grant = "client_credentials"
	case oauth.TokenExchange:
		grant = "token_exchange"
	case oauth.JWTBearer:
		grant = "jwt_bearer"
	}
	reason := ""
	if cause != nil {
		reason = string(cause.Reason)
	}
	m.requests.WithLabelValues(grant, reason).Inc()
	m.seconds.Observe(took.Seconds())
}

// Metrics is the handler of the telemetry listener: GET /metrics, as
// Prometheus reads it.
func (s *Server) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}
