# Built with the toolchain's image, run without a shell.
FROM docker.io/library/rust:1-bookworm AS build
WORKDIR /build
# Dependencies first: they change less often than the code, so their layer is kept.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo '//! Empty.' > src/lib.rs && printf '//! Empty.\n\nfn main() {}\n' > src/main.rs \
 && cargo build --profile dist --locked && rm -r src
COPY src src
COPY openapi openapi
# The empty sources above are newer than a checkout may be.
RUN find src -name '*.rs' -exec touch {} + && cargo build --profile dist --locked \
 && strip target/dist/contacts-gateway \
 && mkdir -p /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/dist/contacts-gateway /usr/local/bin/contacts-gateway
COPY LICENSE /usr/share/doc/contacts-gateway/LICENSE
# A new volume takes over owner and mode of this folder, so that the user of the image can write to it.
COPY --from=build --chown=65532:65532 /out/data /data
ENV GATEWAY_LISTEN=0.0.0.0:8080 \
    GATEWAY_DATABASE_URL=sqlite:///data/gateway.db
USER 65532:65532
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/contacts-gateway", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/contacts-gateway"]
CMD ["serve"]
