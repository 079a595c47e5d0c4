# The image of deploy/: the one binary, and the programs that SSH remotes and pushes need.
#   docker build -t landfall:0.1.0 .
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential cmake git pkg-config && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package landfall && cp target/release/landfall /landfall

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git openssh-client && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 999 --user-group --home-dir /cache --shell /usr/sbin/nologin landfall && mkdir /cache && chown 999:999 /cache
COPY --from=build /landfall /usr/local/bin/landfall
USER 999:999
ENV LANDFALL_CACHE=/cache
EXPOSE 8082
ENTRYPOINT ["/usr/local/bin/landfall"]
CMD ["controller", "--metrics-address", "0.0.0.0:8082"]
