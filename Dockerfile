# Builds an image of a checkout: docker build --tag rollcall .
#
# What is published is made by dist/image of a program that was built before, without a daemon; this is for those who build their
# own, and gives the same file system and settings.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY dist/requirements.txt dist/requirements.txt
RUN pip install --break-system-packages --requirement dist/requirements.txt
COPY . .
# The checkout's history is not copied, so the time that goes into the program is given here.
ARG SOURCE_DATE_EPOCH=0
RUN dist/binary --out /built && mv /built/rollcall-linux-* /built/rollcall && mkdir --mode=0700 /data

FROM scratch
COPY --from=build /built/rollcall /usr/bin/rollcall
COPY --from=build /source/LICENSE-APACHE /source/LICENSE-MIT /usr/share/doc/rollcall/
COPY --from=build --chown=65532:65532 /data /data
ENV PATH=/usr/bin ROLLCALL_DATA_DIR=/data ROLLCALL_LISTEN=0.0.0.0:8787
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/usr/bin/rollcall", "health"]
ENTRYPOINT ["/usr/bin/rollcall"]
CMD ["serve"]
