package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/tokenry/tokenry/api"
)

// router is echo with huma on it, and the OpenAPI document that huma writes.
type router struct {
	echo *echo.Echo
	huma huma.API
	log  *slog.Logger
}

func newRouter(log *slog.Logger) *router {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = notRouted
	c := huma.DefaultConfig("Tokenry admin API", "1")
	c.Info.Description = "Declare who may exchange what for what, and read what was decided."
	c.Info.License = &huma.License{Name: "Apache 2.0", Identifier: "Apache-2.0"}
	c.CreateHooks = nil                                   // the default one adds $schema to every answer
	c.DocsPath, c.SchemasPath, c.OpenAPIPath = "", "", "" // the docs page loads a script from a CDN
	c.RejectUnknownQueryParameters = true
	c.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	c.Transformers = []huma.Transformer{withoutValues}
	c.Servers = []*huma.Server{{URL: api.Prefix}}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	c.Components.Responses = map[string]*huma.Response{}
	c.Security = []map[string][]string{{"token": {}}}
	inner := humaecho.NewWithGroup(e, e.Group(api.Prefix), huma.Config{Formats: c.Formats}).Adapter()
	r := &router{echo: e, log: log, huma: huma.NewAPI(c, &verbs{Adapter: inner, actions: map[string]map[string]action{}})}
	c.Components.Responses[problemName] = &huma.Response{
		Description: "Nothing was changed. The members code and errors say why.",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: r.schema(api.Problem{})}},
	}
	return r
}

// route registers one operation. Its errors go through fail and nowhere else.
func route[I, O any](r *router, method, path string, d about, handle func(context.Context, *I) (*O, error)) {
	op := r.operation(method, path, d)
	huma.Register(r.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, fail(ctx, r.log, method, err)
		}
		return out, nil
	})
	r.describe(op, d)
}

// handler adds the routes of the document and is ready to serve.
func (r *router) handler() (http.Handler, error) {
	r.complete()
	document := r.huma.OpenAPI()
	asJSON, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, err
	}
	asYAML, err := document.YAML()
	if err != nil {
		return nil, err
	}
	serve := func(mediaType string, data []byte) echo.HandlerFunc {
		return func(c echo.Context) error { return c.Blob(http.StatusOK, mediaType, bytes.Clone(data)) }
	}
	r.echo.GET(api.Prefix+"/openapi.json", serve("application/openapi+json", asJSON))
	r.echo.GET(api.Prefix+"/openapi.yaml", serve("application/openapi+yaml", asYAML))
	return r.echo, nil
}

// notRouted answers what no operation answers.
func notRouted(err error, c echo.Context) {
	p := refuse(http.StatusNotFound, api.CodeNotFound, "there is no such route")
	var status *echo.HTTPError
	if errors.As(err, &status) && status.Code == http.StatusMethodNotAllowed {
		p = refuse(http.StatusMethodNotAllowed, api.CodeMethodNotAllowed, "the route does not take this method")
	}
	p.write(c.Response())
}

// notFoundRoute answers an unknown action.
func notFoundRoute(ctx huma.Context) {
	p := refuse(http.StatusNotFound, api.CodeNotFound, "there is no such action")
	ctx.SetHeader("Content-Type", p.ContentType(""))
	ctx.SetStatus(p.Status)
	_, _ = ctx.BodyWriter().Write(p.body()) // who asked has gone: there is nobody left to tell
}
