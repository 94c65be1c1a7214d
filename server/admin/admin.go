// Package admin serves the admin API under /api/v1: huma on an echo router of
// its own, behind a guard that authenticates every request.
//
// A write is three steps in one handler: read the body (decode.go), hand it to
// package storage, which checks the would-be state and commits rows and audit
// events together, answer. Every error becomes a problem in fail (fail.go).
// What an object means is in package registry; the wire types are in package
// api.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// Config of the admin API. Fields are required but those that say otherwise.
type Config struct {
	DB     *storage.DB
	Model  *registry.Model // its freshness is reported by GET /status
	Issuer string          // our own issuer identifier; no trusted issuer may claim it

	// Authenticate tells whom a bearer token belongs to. It must compare
	// hashes in constant time: see Tokens.
	Authenticate func(token string) (principal string, ok bool)

	// Fetchable returns an error for a URL that keys could never be fetched
	// from, nor a cluster be asked at; nil = there is none.
	Fetchable func(url string) error

	// Explain recomputes the trace of a decision; storage.ErrNotFound when
	// there is none of that id.
	Explain func(ctx context.Context, id string) (api.Decision, error)

	// Test says what would become of a token, typ being jwt, id_token or empty.
	Test func(ctx context.Context, raw, typ string) grants.Tested

	// Schema tells the state of the database schema.
	Schema func(ctx context.Context) (api.Schema, error)

	// Written is called after every commit, before the answer, so that this
	// replica decides by what it has just written; nil = nobody is told.
	Written func(ctx context.Context)

	MaxTTL  time.Duration    // longest life of a token; a key that signs no more is retiring that long
	Version string           // of the program
	Now     func() time.Time // nil = time.Now
	Log     *slog.Logger
}

// New makes the handler of everything below /api/v1.
func New(c Config) (http.Handler, error) {
	switch {
	case c.DB == nil || c.Model == nil || c.Log == nil:
		return nil, errors.New("admin: db, model and log are required")
	case c.Authenticate == nil:
		return nil, errors.New("admin: nobody authenticates")
	case c.Explain == nil || c.Test == nil || c.Schema == nil:
		return nil, errors.New("admin: explain, test and schema are required")
	case c.Issuer == "" || c.MaxTTL == 0 || c.Version == "":
		return nil, errors.New("admin: issuer, max ttl and version are required")
	}
	if c.Written == nil {
		c.Written = func(context.Context) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &server{Config: c}
	router, err := s.routes()
	if err != nil {
		return nil, err
	}
	return &guard{authenticate: c.Authenticate, log: c.Log, next: router, failures: rate.Sometimes{First: 5, Interval: time.Second}}, nil
}

type server struct{ Config }

func (s *server) routes() (http.Handler, error) {
	r := newRouter(s.Log)
	state := r.schema(api.StateChange{})
	for _, kind := range api.Kinds() {
		n := &noun{server: s, kind: kind}
		all := "/" + api.Collection(kind)
		one := all + "/{name}"
		body, word := r.manifest(kind), strings.ReplaceAll(api.Collection(kind), "-", " ")
		if kind == registry.KindAgent {
			route(r, http.MethodGet, all, about{summary: "List " + word, list: body}, s.agents)
		} else {
			route(r, http.MethodGet, all, about{summary: "List " + word, list: body}, n.list)
		}
		route(r, http.MethodPost, all, about{summary: "Create one of the " + word, body: body, answer: body, created: true}, n.create)
		route(r, http.MethodGet, one, about{summary: "Read one of the " + word, answer: body}, n.read)
		route(r, http.MethodPut, one, about{summary: "Create one of the " + word + ", or replace it in full", body: body, answer: body, created: true}, n.put)
		route(r, http.MethodDelete, one, about{summary: "Delete one of the " + word + " that nothing refers to"}, n.delete)
		route(r, http.MethodPost, one+":disable", about{summary: "Take one of the " + word + " out of every decision", body: state, optional: true, answer: body}, n.disable)
		route(r, http.MethodPost, one+":enable", about{summary: "Let one of the " + word + " take part in decisions again", body: state, optional: true, answer: body}, n.enable)
	}
	route(r, http.MethodPost, "/agents/{name}:rotate-secret", about{summary: "Give the agent a new client secret and show it once"}, s.rotateSecret)
	route(r, http.MethodPost, "/apply", about{summary: "Bring a set of objects into force, all or none", body: r.schema(api.ApplyRequest{})}, s.apply)
	route(r, http.MethodPost, "/credential-tests", about{summary: "Say what would become of a token, and why", body: r.schema(api.CredentialTest{}), reads: true}, s.testCredential)
	route(r, http.MethodGet, "/federated-credentials", about{summary: "List the bindings of all agents"}, s.federatedCredentials)
	route(r, http.MethodGet, "/decisions", about{summary: "List decisions, newest first"}, s.decisions)
	route(r, http.MethodGet, "/decisions/{id}", about{summary: "Explain one decision"}, s.decision)
	route(r, http.MethodGet, "/audit-events", about{summary: "Read the audit trail, newest first"}, s.auditEvents)
	route(r, http.MethodGet, "/keys", about{summary: "List our signing keys"}, s.keys)
	route(r, http.MethodGet, "/status", about{summary: "What is running, and how fresh it is"}, s.status)
	return r.handler()
}
