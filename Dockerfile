# Two stages: the compiler stays behind, the image holds one static program,
# root certificates and a user without rights.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/tokenry ./cmd/tokenry

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/tokenry /usr/local/bin/tokenry
USER 65532:65532
EXPOSE 8443 8444
ENTRYPOINT ["/usr/local/bin/tokenry"]
CMD ["serve"]
