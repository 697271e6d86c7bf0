# docker build -t semlink . && docker run -v ./results:/semlink/results semlink sweep digits
FROM python:3.11-slim
COPY . /source
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu \
      "$(grep '^torch==' /source/constraints.txt)" \
 && pip install --no-cache-dir -c /source/constraints.txt /source \
 && rm -rf /source
WORKDIR /semlink
ENTRYPOINT ["semlink"]
CMD ["--help"]
