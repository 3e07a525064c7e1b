# The HTTP API: docker build -t kinetune . && docker run -p 8423:8423 -e KINETUNE_TOKEN=... kinetune
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml setup.py MANIFEST.in constraints.txt README.md LICENSE NOTICE ./
COPY kinetune kinetune
COPY configs configs
COPY examples examples
RUN pip install --no-cache-dir torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir --constraint constraints.txt ".[studio]" \
    && useradd --create-home kinetune && mkdir /data && chown kinetune /data
USER kinetune
VOLUME /data
EXPOSE 8423
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8423/healthz')"
CMD ["kinetune", "serve", "--host", "0.0.0.0", "--data", "/data"]
