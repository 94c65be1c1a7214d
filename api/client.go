package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// maxAnswer bounds what the client reads of one answer.
const maxAnswer = 64 << 20

// Config of a client.
type Config struct {
	URL   string       // of the admin listener: "http://127.0.0.1:8081"
	Token string       // admin token
	HTTP  *http.Client // nil = one with a timeout of 30 s; redirects are never followed
}

// Client speaks to the admin API of one server. Every refusal is an *Error.
type Client struct {
	base  string
	token string
	http  http.Client
}

// New makes a client.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("api: the server's URL must look like http://127.0.0.1:8081")
	}
	if c.Token == "" {
		return nil, errors.New("api: no admin token")
	}
	client := &Client{base: u.Scheme + "://" + u.Host + Prefix, token: c.Token, http: http.Client{Timeout: 30 * time.Second}}
	if c.HTTP != nil {
		client.http = *c.HTTP
	}
	// The API never redirects; following one would carry the token elsewhere.
	client.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

// WriteOptions loosen or guard one write.
type WriteOptions struct {
	DryRun  bool   // check and answer, write nothing
	IfMatch string // ETag that the object must still have; empty = whatever it has
}

// Page says which part of a list to read.
type Page struct {
	Limit  int    // 1 to 200; 0 = 50
	Cursor string // NextCursor of the page before; empty = the first
}

// Apply writes all objects of r or none.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (ApplyResult, error) {
	var result ApplyResult
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/apply", query: dryRun(r.DryRun), body: r, into: &result})
	return result, err
}

// Object reads one object by name or id.
func (c *Client) Object(ctx context.Context, kind registry.Kind, name string) (Object, error) {
	o, _, err := c.ObjectWithETag(ctx, kind, name)
	return o, err
}

// ObjectWithETag reads one object and the ETag that WriteOptions.IfMatch takes.
func (c *Client) ObjectWithETag(ctx context.Context, kind registry.Kind, name string) (Object, string, error) {
	var o Object
	header, err := c.do(ctx, call{method: http.MethodGet, path: objectPath(kind, name), into: &o})
	return o, header.Get("ETag"), err
}

// Objects reads one page of a kind.
func (c *Client) Objects(ctx context.Context, kind registry.Kind, p Page) (ObjectList, error) {
	var list ObjectList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/" + Collection(kind), query: p.query(), into: &list})
	return list, err
}

// AllObjects reads every page of a kind.
func (c *Client) AllObjects(ctx context.Context, kind registry.Kind) ([]Object, error) {
	return everyPage(func(p Page) (ObjectList, error) { return c.Objects(ctx, kind, p) })
}

// AgentFilter selects agents; an empty field selects all.
type AgentFilter struct {
	Blueprint string
	Instances Instances
}

// Agents reads one page of agents.
func (c *Client) Agents(ctx context.Context, f AgentFilter, p Page) (ObjectList, error) {
	q := p.query()
	set(q, "blueprint", f.Blueprint)
	set(q, "instances", string(f.Instances))
	var list ObjectList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/" + Collection(registry.KindAgent), query: q, into: &list})
	return list, err
}

// AllAgents reads every page of agents.
func (c *Client) AllAgents(ctx context.Context, f AgentFilter) ([]Object, error) {
	return everyPage(func(p Page) (ObjectList, error) { return c.Agents(ctx, f, p) })
}

// everyPage reads a list to its end.
func everyPage(read func(Page) (ObjectList, error)) ([]Object, error) {
	var all []Object
	p := Page{Limit: 200}
	for {
		list, err := read(p)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if list.NextCursor == "" {
			return all, nil
		}
		p.Cursor = list.NextCursor
	}
}

// Create makes an object; a taken name is refused (CodeExists).
func (c *Client) Create(ctx context.Context, o Object, w WriteOptions) (Object, error) {
	var made Object
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/" + Collection(o.Kind), query: dryRun(w.DryRun), body: o, into: &made})
	return made, err
}

// Put makes an object or replaces it in full.
func (c *Client) Put(ctx context.Context, o Object, w WriteOptions) (Object, error) {
	var put Object
	_, err := c.do(ctx, call{method: http.MethodPut, path: objectPath(o.Kind, o.Metadata.Name), query: dryRun(w.DryRun), ifMatch: w.IfMatch, body: o, into: &put})
	return put, err
}

// Delete removes an object by name or id.
func (c *Client) Delete(ctx context.Context, kind registry.Kind, name string, w WriteOptions) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: objectPath(kind, name), query: dryRun(w.DryRun), ifMatch: w.IfMatch})
	return err
}

// SetState disables or enables an object by name or id.
func (c *Client) SetState(ctx context.Context, kind registry.Kind, name string, s registry.State, reason string) (Object, error) {
	verb, ok := map[registry.State]string{registry.Active: ":enable", registry.Disabled: ":disable"}[s]
	if !ok {
		return Object{}, fmt.Errorf("api: no action leads to state %q", s)
	}
	var o Object
	_, err := c.do(ctx, call{method: http.MethodPost, path: objectPath(kind, name) + verb, body: StateChange{Reason: reason}, into: &o})
	return o, err
}

// RotateSecret gives an agent a new client secret and returns it.
func (c *Client) RotateSecret(ctx context.Context, agent string) (Secret, error) {
	var s Secret
	_, err := c.do(ctx, call{method: http.MethodPost, path: objectPath(registry.KindAgent, agent) + ":rotate-secret", into: &s})
	return s, err
}

// FederatedCredentials reads one page of the bindings of all agents and blueprints.
func (c *Client) FederatedCredentials(ctx context.Context, p Page) (FederatedCredentialList, error) {
	var list FederatedCredentialList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/federated-credentials", query: p.query(), into: &list})
	return list, err
}

// Decision reads one decision with its checks.
func (c *Client) Decision(ctx context.Context, id string) (Decision, error) {
	var d Decision
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/decisions/" + url.PathEscape(id), into: &d})
	return d, err
}

// DecisionFilter selects decisions; an empty field selects all.
type DecisionFilter struct {
	Outcome DecisionOutcome
	Agent   string
}

// Decisions reads one page of decisions, newest first.
func (c *Client) Decisions(ctx context.Context, f DecisionFilter, p Page) (DecisionList, error) {
	q := p.query()
	set(q, "outcome", string(f.Outcome))
	set(q, "agent", f.Agent)
	var list DecisionList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/decisions", query: q, into: &list})
	return list, err
}

// AuditEvents reads one page of the trail, newest first.
func (c *Client) AuditEvents(ctx context.Context, p Page) (AuditEventList, error) {
	var list AuditEventList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/audit-events", query: p.query(), into: &list})
	return list, err
}

// Keys lists our signing keys.
func (c *Client) Keys(ctx context.Context) (KeyList, error) {
	var list KeyList
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/keys", into: &list})
	return list, err
}

// Status reads what is running.
func (c *Client) Status(ctx context.Context) (ServerStatus, error) {
	var s ServerStatus
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/status", into: &s})
	return s, err
}

// call is one request.
type call struct {
	method  string
	path    string // below Prefix, escaped
	query   url.Values
	ifMatch string
	body    any // nil = none
	into    any // nil = the answer has no body
}

func (c *Client) do(ctx context.Context, r call) (http.Header, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resp.Header, answer(resp, r.into)
}

// answer reads a response into v, or as an *Error.
func answer(resp *http.Response, v any) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode/100 == 2 {
		if v == nil {
			return nil
		}
		if err := json.Unmarshal(data, v); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		return nil
	}
	e := &Error{Status: resp.StatusCode}
	// Something between us and the server may answer in HTML; the status is
	// then all there is to say.
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && media == "application/problem+json" {
		if json.Unmarshal(data, &e.Problem) != nil {
			e.Problem = Problem{}
		}
	}
	return e
}

func objectPath(kind registry.Kind, name string) string {
	return "/" + Collection(kind) + "/" + url.PathEscape(name)
}

func (p Page) query() url.Values {
	q := url.Values{}
	if p.Limit != 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	set(q, "cursor", p.Cursor)
	return q
}

func dryRun(on bool) url.Values {
	if !on {
		return nil
	}
	return url.Values{"dry_run": {"true"}}
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
