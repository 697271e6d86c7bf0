# docker build -t semlink . && docker run -v "$PWD/results:/work/results" semlink sweep digits
FROM python:3.11-slim
COPY . /semlink
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu \
      "$(grep '^torch==' /semlink/constraints.txt)" \
 && pip install --no-cache-dir -c /semlink/constraints.txt /semlink \
 && rm -rf /semlink
WORKDIR /work
ENTRYPOINT ["semlink"]
CMD ["--help"]
